package appliance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// cardRoot is a directory with a card's paths in it, and the programs.
func cardRoot(t *testing.T) string {
	t.Helper()
	dir := openTempDir(t)
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "user")+"/", "./cmd/hems-broker", "./cmd/hems-zigbee", "./cmd/hems-metrics", "./cmd/hems-gateway")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the programs: %v\n%s", err, out)
	}
	return dir
}

// freePorts is a port base whose ports nobody has, as far as can be known.
func freePorts(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		base := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if mqtt, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+int(PortMQTT))); err == nil && base < 65000 {
			mqtt.Close()
			return fmt.Sprint(base)
		}
	}
	t.Fatal("there are no free ports")
	return ""
}

// programs are the four of the appliance, run as root in a card's root
// directory until stop.
type programs struct {
	pids map[string]int
	logs map[string]*testLog
	stop func()
}

func startPrograms(t *testing.T, dir string) *programs {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ps := &programs{pids: map[string]int{}, logs: map[string]*testLog{}}
	var running sync.WaitGroup
	ports := freePorts(t)
	for _, p := range Processes {
		if UserOf(p.Name).ID == root {
			continue
		}
		cmd := exec.CommandContext(ctx, "/user/"+p.Name)
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.Env = []string{"HEMS_PORT_BASE=" + ports, "HEMS_LISTEN=127.0.0.1"}
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir}
		log := &testLog{}
		cmd.Stderr = log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ps.pids[p.Name], ps.logs[p.Name] = cmd.Process.Pid, log
		running.Go(func() {
			if err := cmd.Wait(); !cmd.ProcessState.Success() {
				t.Errorf("%s ended with %v:\n%s", p.Name, err, log)
			}
		})
	}
	ps.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(ps.stop)
	return ps
}

// TestProgramsGiveUpRoot runs the real programs as PID 1 starts them, on the
// data directory of a version that ran everything as root, and looks at them
// from outside.
func TestProgramsGiveUpRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not root: nothing can be given up; see TestInDevelopmentNothingIsDropped")
		return
	}
	dir := cardRoot(t)
	e := Env{Data: filepath.Join(dir, CardData), Runtime: filepath.Join(dir, CardRuntime)}
	if err := os.MkdirAll(e.Path("zigbee"), 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"hems.yaml": "metrics: {commit_every: 1s}\n", "zigbee/zigbee.json.before": "{}"} {
		if err := os.WriteFile(e.Path(file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ps := startPrograms(t, dir)
	for name, log := range ps.logs {
		log.await(t, map[string]string{
			"hems-broker":  "retained messages loaded",
			"hems-zigbee":  "connected to the MQTT broker",
			"hems-metrics": "connected to the MQTT broker",
			"hems-gateway": "connected to the MQTT broker",
		}[name])
	}
	for name, pid := range ps.pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for line := range strings.Lines(string(b)) {
			k, v, _ := strings.Cut(line, ":")
			got[k] = strings.Join(strings.Fields(v), " ")
		}
		u := UserOf(name)
		id := fmt.Sprint(u.ID)
		groups := []string{"900"}
		if name == "hems-gateway" {
			groups = append(groups, "903")
		}
		none := "0000000000000000"
		want := map[string]string{
			"Uid": strings.Join([]string{id, id, id, id}, " "), "Gid": strings.Join([]string{id, id, id, id}, " "),
			"Groups": strings.Join(append(groups, id), " "), "NoNewPrivs": "1",
			"CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none,
		}
		for k := range got {
			if _, ok := want[k]; !ok {
				delete(got, k)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
		if want := e.Path(processNamed(name).Dir); err != nil || cwd != want {
			t.Errorf("%s works in %s, want %s (%v)", name, cwd, want, err)
		}
	}
	// Each has its own password, and no other's.
	for _, u := range cardUsers {
		as(u, func() {
			if b, err := os.ReadFile(e.Secret("mqtt-gateway")); (err == nil) != (u.Name == "hems-broker") {
				t.Errorf("%s reads the gateway's password: %d bytes, %v", u.Name, len(b), err)
			}
		})
	}
	// And all files have the owners of the table, with what was there before.
	for file, want := range map[string]string{
		"":                          "0:900 drwxr-x---",
		"hems.yaml":                 "0:900 -rw-r-----",
		"secrets":                   "0:900 drwx--x---",
		"secrets/mqtt-home":         "901:901 -rw-------",
		"broker":                    "901:900 dgrwx--x---",
		"broker/mqtt.sock":          "901:900 Srw-rw----",
		"zigbee":                    "902:902 drwx------",
		"zigbee/zigbee.json.before": "902:902 -rw-------",
		"store":                     "903:903 drwxr-x---",
		"store/hems.db":             "903:903 -rw-rw----",
		"store/hems.db-shm":         "903:903 -rw-rw----",
		"gateway":                   "904:904 drwx------",
	} {
		info, err := os.Lstat(e.Path(file))
		for range 200 { // SQLite makes and removes its files beside the store
			if !errors.Is(err, fs.ErrNotExist) {
				break
			}
			time.Sleep(50 * time.Millisecond)
			info, err = os.Lstat(e.Path(file))
		}
		if err != nil {
			t.Error(err)
			continue
		}
		st := info.Sys().(*syscall.Stat_t)
		if got := fmt.Sprintf("%d:%d %v", st.Uid, st.Gid, info.Mode()); got != want {
			t.Errorf("%s is %s, want %s", file, got, want)
		}
	}
	ps.stop()
	for name, log := range ps.logs {
		if bytes.Contains([]byte(log.String()), []byte("permission denied")) {
			t.Errorf("%s was denied something:\n%s", name, log)
		}
	}
}

func processNamed(name string) Process {
	for _, p := range Processes {
		if p.Name == name {
			return p
		}
	}
	panic(name)
}

// TestAProcessWaitsForItsPassword: without the broker there is none, and a
// process that went on would never have it.
func TestAProcessWaitsForItsPassword(t *testing.T) {
	var said testLog
	e := Env{Data: t.TempDir(), Log: newLog(&said)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan bool, 1)
	go func() { done <- e.awaitSuccess(ctx, func() error { return Process{User: "zigbee"}.readPassword(&e) }) }()
	said.await(t, "the broker has not made it yet")
	time.Sleep(500 * time.Millisecond)
	if got := strings.Count(said.String(), "waiting for"); got != 1 {
		t.Errorf("said %d times, want once", got)
	}
	if err := os.MkdirAll(e.Path("secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(e.Secret("mqtt-zigbee"), []byte("abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !<-done {
		t.Fatal("it did not go on")
	}
	if err := os.RemoveAll(e.Path("secrets")); err != nil { // as good as unreadable
		t.Fatal(err)
	}
	if got, err := e.Password("zigbee")(); err != nil || got != "abc" {
		t.Errorf("password %q, %v, want the one that was read", got, err)
	}
	if got, err := e.Password("gateway")(); err == nil {
		t.Errorf("another user's password is %q", got)
	}
	cancel()
}
