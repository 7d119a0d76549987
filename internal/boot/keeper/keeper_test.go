package keeper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/boot/report"
)

// TestMain is also the keeper's process, whose machine is a directory.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "keeper" {
		k := machine(os.Getenv("KEEPER_TEST_DIR"))
		k.Handover = Line()
		if err := k.Run(context.Background()); err != nil {
			k.Log("%v", err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// machine is a keeper of a machine that is the files below a directory: without a
// watchdog, with what its kernel tells in proc and sys.
func machine(dir string) *Keeper {
	return &Keeper{
		Device: filepath.Join(dir, "dev/watchdog"), Runtime: filepath.Join(dir, "run/hems"),
		Proc: filepath.Join(dir, "proc"), Sys: filepath.Join(dir, "sys"), Perm: "/perm",
		Log: func(format string, args ...any) {
			f, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				panic(err)
			}
			fmt.Fprintf(f, format+"\n", args...)
			f.Close()
		},
		policy: NewPolicy(time.Now()),
	}
}

// mounted are the lines of /proc/self/mountinfo as the appliance's kernel prints
// them, of a machine below dir that has a /perm of its own.
func mounted(dir, perm string) string {
	return "1 1 254:2 / / rw,relatime - squashfs /dev/root ro,errors=continue\n" +
		"24 1 0:5 / /dev rw,relatime - devtmpfs devtmpfs rw,size=492520k\n" +
		"25 1 254:4 / /perm rw,nosuid,nodev,noatime - " + perm + "\n" +
		"26 1 254:4 / " + dir + "/perm rw,nosuid,nodev,noatime - " + perm + "\n" +
		"31 1 0:27 / " + dir + "/run rw,relatime - tmpfs tmpfs rw\n"
}

func write(t *testing.T, text string, path ...string) {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

func TestTheKeepersProcess(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("KEEPER_TEST_DIR", dir)
	write(t, "", dir, "proc/self/oom_score_adj")
	write(t, "", dir, "proc/self/mountinfo")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(program)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
	logged := func(text string) bool {
		b, err := os.ReadFile(filepath.Join(dir, "log"))
		return err == nil && strings.Contains(string(b), text)
	}
	runtime := filepath.Join(dir, "run/hems")

	eventually(t, "saying that there is no watchdog", func() bool { return logged("there is no watchdog") })
	if err := Tell(runtime, Alive); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("before the handover: got %v, want that there is no socket", err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil { // which it takes no notice of
		t.Fatal(err)
	}
	want := report.Boot{Slot: "a", Committed: "a", TrialLimit: 300, Boots: 1, Perm: report.Perm{State: report.Memory, Message: "m"}}
	if err := p.Hand(Handover{Report: want, Hold: filepath.Join(dir, "log")}, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := p.line.Close(); err != nil { // the first process has become gokrazy's
		t.Fatal(err)
	}

	// What is in the directory before gokrazy mounts over it would be lost.
	time.Sleep(200 * time.Millisecond)
	if _, err := report.Read(runtime); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("before /run is mounted: got %v, want no report", err)
	}
	write(t, mounted(dir, "tmpfs tmpfs rw,size=250000k"), dir, "proc/self/mountinfo")
	eventually(t, "the report", func() bool { _, err := report.Read(runtime); return err == nil })
	got, err := report.Read(runtime)
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Since(got.At); d < 0 || d > time.Minute {
		t.Errorf("it was written at %v", got.At)
	}
	got.At = time.Time{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}

	eventually(t, "the socket", func() bool { return Tell(runtime, Alive) == nil })
	eventually(t, "hearing it", func() bool { return logged("first sign of life") })
	for _, word := range []string{"dead", "", strings.Repeat("alive", 100), Confirmed} {
		if err := Tell(runtime, word); err != nil {
			t.Errorf("%q: %v", word, err)
		}
	}
	eventually(t, "hearing that it is confirmed", func() bool { return logged("has confirmed this system") })
	if !logged(`"dead" is not one`) {
		t.Error("it does not say that it refused a word")
	}
	for file, want := range map[string]os.FileMode{runtime: 0o755, filepath.Join(runtime, Socket): 0o600, filepath.Join(runtime, report.Name): 0o644} {
		st, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := st.Mode().Perm(); got != want {
			t.Errorf("%s has mode %v, want %v", file, got, want)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "proc/self/oom_score_adj")); string(b) != "-1000" || err != nil {
		t.Errorf("oom_score_adj is %q, %v", b, err)
	}
}

func TestAFirstProcessThatSaysNothing(t *testing.T) {
	dir := t.TempDir()
	k := machine(dir)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.Close()
	k.Handover = r
	k.takeOver(report.Watchdog{Identity: "dog", Timeout: 15})
	if k.report.Perm.State != report.Errors || k.report.Perm.Message == "" || k.report.Watchdog.Timeout != 15 {
		t.Errorf("got %+v", k.report)
	}
	if k.policy.ready.IsZero() {
		t.Error("the manager is not waited for")
	}
}

func TestReceiveRefuses(t *testing.T) {
	dir := t.TempDir()
	l, err := listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.conn.Close()
	send := func(word string) {
		t.Helper()
		if err := Tell(dir, word); err != nil {
			t.Fatal(err)
		}
	}
	receive := func(want string, refused string) {
		t.Helper()
		got, err := l.receive()
		if got != want || (err == nil) != (refused == "") || err != nil && (!errors.Is(err, errRefused) || !strings.Contains(err.Error(), refused)) {
			t.Errorf("got %q, %v, want %q, %q", got, err, want, refused)
		}
	}
	send(Alive)
	receive(Alive, "")
	send(strings.Repeat("x", longest))
	receive(strings.Repeat("x", longest), "")
	send(strings.Repeat("x", longest+1))
	receive("", "longer than 64 bytes")
	l.uid++ // now it is somebody else's socket
	send(Alive)
	receive("", "it is from the user")

	// A socket that a dead keeper left is taken over.
	again, err := listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.conn.Close()
	if err := Tell(dir, Alive); err != nil {
		t.Fatal(err)
	}
	if got, err := again.receive(); got != Alive || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	again.conn.Close()
	if _, err := again.receive(); !errors.Is(err, net.ErrClosed) || errors.Is(err, errRefused) {
		t.Errorf("a closed socket: got %v", err)
	}
}

func TestLookAtPerm(t *testing.T) {
	const ext4 = "ext4 /dev/vda4 "
	for _, tt := range []struct {
		name   string
		was    report.State
		perm   string // the mounted file system
		errors string // the kernel's count
		want   report.State
		detail string
	}{
		{"AllIsWell", report.OK, ext4 + "rw,errors=remount-ro", "0\n", report.OK, ""},
		{"WasRepaired", report.Repaired, ext4 + "rw,errors=remount-ro", "0\n", report.Repaired, ""},
		{"NoCount", report.OK, ext4 + "rw", "", report.OK, ""},
		{"NoNumber", report.OK, ext4 + "rw", "many\n", report.OK, ""},
		{"FoundErrors", report.OK, ext4 + "rw", "3\n", report.Errors, "found 3 errors on vda4"},
		{"ReadOnly", report.OK, ext4 + "ro,errors=remount-ro", "1\n", report.ReadOnly, "vda4 is ro"},
		{"ReadOnlyAsNewerKernelsSay", report.OK, ext4 + "rw,emergency_ro", "1\n", report.ReadOnly, "emergency_ro"},
		{"ReadOnlyAfterErrors", report.Errors, ext4 + "ro", "1\n", report.ReadOnly, "vda4 is ro"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			k := machine(dir)
			k.perm, k.report.Perm.State = "vda4", tt.was
			k.Perm = filepath.Join(dir, "perm")
			write(t, mounted(dir, tt.perm), dir, "proc/self/mountinfo")
			if tt.errors != "" {
				write(t, tt.errors, dir, "sys/fs/ext4/vda4/errors_count")
			}
			if err := errors.Join(os.MkdirAll(k.Runtime, 0o755), os.Mkdir(k.Perm, 0o755)); err != nil {
				t.Fatal(err)
			}
			k.look()
			if got := k.report.Perm; got.State != tt.want || !strings.Contains(got.Detail, tt.detail) || (tt.detail != "") != (got.Message != "") {
				t.Errorf("got %+v", got)
			}
			told, err := report.Read(k.Runtime)
			if changed := tt.detail != ""; changed != (err == nil) || changed && told.Perm.State != tt.want {
				t.Errorf("told %+v, %v", told, err)
			}
			before := k.report
			if k.look(); k.report != before {
				t.Errorf("a second time: got %+v", k.report.Perm)
			}
			write(t, "", dir, "proc/self/mountinfo") // it is being stopped
			if k.look(); k.report != before {
				t.Errorf("after it was unmounted: got %+v", k.report.Perm)
			}
		})
	}
}

func TestMendOnce(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*Keeper)
		want int // restarts
	}{
		{"ReadOnly", func(*Keeper) {}, 1},
		{"StillWritten", func(k *Keeper) { k.report.Perm.State = report.Errors }, 0},
		{"NotLongSinceTheStart", func(k *Keeper) { k.mendAfter = time.Hour }, 0},
		{"WasRepairedAtThisStart", func(k *Keeper) { k.sound = false }, 0},
		{"OnTrial", func(k *Keeper) { k.report.Trial = true }, 0},
		{"InMemory", func(k *Keeper) { k.perm, k.report.Perm.State = "", report.Memory }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			k := machine(dir)
			restarts := 0
			k.Restart = func() error { restarts++; return nil }
			k.perm, k.sound, k.report.Perm.State, k.mendAfter = "vda4", true, report.ReadOnly, 0
			k.policy.Ready(time.Now(), 0)
			write(t, mounted(dir, "ext4 /dev/vda4 rw"), dir, "proc/self/mountinfo")
			tt.do(k)
			for range 3 {
				k.look()
			}
			if restarts != tt.want {
				t.Errorf("got %d restarts, want %d", restarts, tt.want)
			}
		})
	}
}

func TestFindMount(t *testing.T) {
	info := mounted("/tmp/x", "tmpfs tmpfs rw") + "40 1 254:4 / /perm rw,relatime shared:1 master:2 - ext4 /dev/vda4 rw,errors=continue\nrubbish\n"
	got, err := findMount(strings.NewReader(info), "/perm")
	want := mount{FS: "ext4", Source: "/dev/vda4", Options: "rw,relatime", Super: "rw,errors=continue"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, the last one counts (-want +got):\n%s", err, diff)
	}
	if got, err := findMount(strings.NewReader(info), "/nowhere"); !errors.Is(err, errNotMounted) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func FuzzFindMount(f *testing.F) {
	f.Add(mounted("/tmp/x", "tmpfs tmpfs rw"))
	f.Fuzz(func(t *testing.T, info string) {
		if m, err := findMount(strings.NewReader(info), "/perm"); err == nil && (m.FS == "" || m.Options == "") {
			t.Errorf("got %+v", m)
		}
	})
}

func FuzzReceiveHandover(f *testing.F) {
	f.Add([]byte(`{"Report":{"slot":"a"},"Trial":300000000000,"Perm":"vda4"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := receive(strings.NewReader(string(b))); err != nil && h != (Handover{}) {
			t.Errorf("got %+v with %v", h, err)
		}
	})
}
