package appliance

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// usersTable is Places for people, as ARCHITECTURE.md has it.
func usersTable() string {
	var b strings.Builder
	b.WriteString("| what | owner | group | mode |")
	for _, u := range cardUsers {
		fmt.Fprintf(&b, " `%s` %d |", u.Name, u.ID)
	}
	b.WriteString("\n|---|---|---|---|" + strings.Repeat("---|", len(cardUsers)) + "\n")
	name := func(id int) string {
		for _, u := range cardUsers {
			if u.ID == id {
				return strings.TrimPrefix(u.Name, "hems-")
			}
		}
		return map[int]string{root: "root", groupHems: "hems"}[id]
	}
	for _, p := range Places {
		path := p.Path
		switch {
		case p.InRun && path == "":
			path = CardRuntime + "/"
		case p.InRun:
			path = CardRuntime + "/" + path
		case path == "":
			path = CardData + "/"
		case p.Mode.IsDir():
			path += "/"
		}
		mode := uint32(p.Mode.Perm())
		if p.Mode&os.ModeSetgid != 0 {
			mode |= unix.S_ISGID
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %04o |", path, name(p.Owner), name(p.Group), mode)
		for _, u := range cardUsers {
			read, write := u.May(p)
			switch {
			case read && write:
				b.WriteString(" read, write |")
			case read:
				b.WriteString(" read |")
			case write:
				b.WriteString(" write |")
			default:
				b.WriteString(" – |")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestTheDocumentHasTheTableOfUsers(t *testing.T) {
	doc, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := usersTable(); !strings.Contains(string(doc), want) {
		t.Errorf("ARCHITECTURE.md does not have the table as it is; put this in its place:\n%s", want)
	}
}

// as calls f in a thread that has the rights of u to files. The thread ends
// with it.
func as(u User, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		groups := []uint32{uint32(u.ID)}
		for _, g := range u.Groups {
			groups = append(groups, uint32(g))
		}
		// Of this thread alone, unlike syscall.Setgroups.
		if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&groups[0])), 0); errno != 0 {
			panic(errno)
		}
		// The effective capabilities for files go with the user.
		if err := errors.Join(unix.Setfsgid(u.ID), unix.Setfsuid(u.ID)); err != nil {
			panic(err)
		}
		f()
	}()
	<-done
}

// openTempDir is a temporary directory that every user may pass.
func openTempDir(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	for dir := top; dir != "/" && dir != filepath.Clean(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return top
}

// card is a card's directories in a temporary one, with every place made. As
// root it is taken over.
func card(t *testing.T) Env {
	t.Helper()
	top := openTempDir(t)
	e := Env{Card: true, Data: filepath.Join(top, "d"), Runtime: filepath.Join(top, "r"), Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	write := func(path, text string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"secrets/mqtt-zigbee", "secrets/mqtt-home", "secrets/influx", "secrets/fleet", "secrets/fleet-ca.pem", "secrets/claim-code", "secrets/cloudflare-token", "secrets/tailnet-auth-key", "broker/retained.log",
		"zigbee/zigbee.json", "zigbee/old/zigbee.json", "store/hems.db", "store/hems.db-wal", "store/hems.db-shm", "store/hems.db.lock", "gateway/accounts.json", "manager/update.json",
		"pki/ca.key", "pki/ca.crt", "mqtt/passwd", "pki/broker/names.pem", "pki/gateway/names.pem", "pki/gateway/phones.json"} {
		write(e.Path(f), "")
	}
	write(e.Path(ConfigFile), "metrics: {destinations: [{name: a, url: 'http://h', bucket: b, token: influx}]}\n"+
		"mqtt: {bridges: [{connection: fleet, addresses: [h], topics: ['# out'], remote_password: fleet, bridge_cafile: fleet-ca.pem}]}\n")
	return e
}

// TestEachUserMayWhatTheTableSays asks the kernel about each place and each
// user, on a data directory that was all root's.
func TestEachUserMayWhatTheTableSays(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not root: what needs other users is left out")
		return
	}
	e := card(t)
	for range 2 { // the second time there is nothing left to do
		if err := e.TakeOver(); err != nil {
			t.Fatal(err)
		}
	}
	asked := 0
	for _, p := range Places {
		if p.Made || filepath.IsAbs(p.Path) {
			continue
		}
		files := e.files(p)
		if p.Mode.IsDir() {
			files = []string{e.at(p)}
		}
		if len(files) == 0 {
			t.Errorf("%s: there is no file", p.Path)
		}
		for _, file := range files {
			for _, u := range cardUsers {
				wantRead, wantWrite := u.May(p)
				as(u, func() {
					gotRead, gotWrite := tryFile(file, p.Mode.IsDir())
					if gotRead != wantRead || gotWrite != wantWrite {
						t.Errorf("%s: %s reads: %v, writes: %v; want %v, %v", file, u.Name, gotRead, gotWrite, wantRead, wantWrite)
					}
				})
				asked++
			}
		}
	}
	if asked < 40 {
		t.Errorf("only %d questions were asked", asked)
	}
	// What is in no place of its own is root's, or its directory's owner's.
	for file, owner := range map[string]int{"manager/update.json": root, "zigbee/old/zigbee.json": userZigbee, "broker/retained.log": userBroker} {
		for _, u := range cardUsers {
			as(u, func() {
				read, write := tryFile(e.Path(file), false)
				if want := u.ID == owner; read != want || write != want {
					t.Errorf("%s: %s reads: %v, writes: %v; want %v", file, u.Name, read, write, want)
				}
			})
		}
	}
}

// tryFile tries to read and to write a file, or to list a directory and to make
// a file in it.
func tryFile(path string, dir bool) (read, write bool) {
	f, err := os.Open(path)
	if err == nil {
		_, err = f.Stat()
		f.Close()
		read = err == nil
	}
	if !dir {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			f.Close()
		}
		return read, err == nil
	}
	made := filepath.Join(path, ".made-by-a-test")
	f, err = os.OpenFile(made, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		f.Close()
		os.Remove(made)
	}
	return read, err == nil
}

// TestATokenIsNoWayToAnotherSecret: hems.yaml that names a password of the
// appliance as a token gives nothing away.
func TestATokenIsNoWayToAnotherSecret(t *testing.T) {
	e := card(t)
	if err := os.WriteFile(e.Path(ConfigFile), []byte("metrics: {destinations: [{name: a, url: 'http://h', bucket: b, token: claim-code}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := e.files(Place{Path: tokenFiles}); len(got) != 0 {
		t.Errorf("given to hems-metrics: %v", got)
	}
}

// TestInDevelopmentNothingIsDropped: where the data directory was named, and on
// a card where the process is not root, it stays who it is.
func TestInDevelopmentNothingIsDropped(t *testing.T) {
	for _, p := range Processes {
		e := Env{Card: os.Geteuid() != 0, Data: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
		e.Runtime = e.Path("r")
		uid := os.Geteuid()
		first := func(Env) error { t.Error("it was done as root"); return nil }
		if ok, err := p.settle(t.Context(), &e, []func(Env) error{first}); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if got := os.Geteuid(); got != uid {
			t.Fatalf("%s is user %d, was %d", p.Name, got, uid)
		}
		for path, want := range map[string]os.FileMode{e.Path(p.Dir): os.ModeDir | 0o700, e.Runtime: os.ModeDir | 0o755} {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode(); got != want || int(info.Sys().(*syscall.Stat_t).Uid) != uid {
				t.Errorf("%s has the mode %v, want %v", path, got, want)
			}
		}
	}
}

// TestTheSocketOutlivesARun: each run has the process's socket, also in place of
// one that a killed process left.
func TestTheSocketOutlivesARun(t *testing.T) {
	e := Env{Data: t.TempDir(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	e.Runtime = e.Path("r")
	p := Process{Name: "test", Dir: "x", Socket: "s.sock"}
	if err := p.makeDirectories(e); err != nil {
		t.Fatal(err)
	}
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: e.Run("s.sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	if err := p.openSocket(&e, User{}, false); err == nil || !strings.Contains(err.Error(), "another process answers") {
		t.Errorf("beside a process that answers: %v", err)
	}
	left.Close()
	if err := p.openSocket(&e, User{}, false); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l, err := e.Socket()
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("unix", e.Run("s.sock"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Accept(); err != nil {
			t.Error(err)
		}
		c.Close()
		l.Close()
	}
	if _, err := (Env{}).Socket(); !errors.Is(err, ErrNoSocket) {
		t.Errorf("without a socket: %v", err)
	}
}
