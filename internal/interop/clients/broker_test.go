//go:build interop

package clients

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// theBroker is the program hems-broker with the person's user.
type theBroker struct {
	port           int
	user, password string
	ways           []way
}

// way is a transport.
type way struct {
	name, url, ca string
}

func startBroker(t *testing.T) *theBroker {
	t.Helper()
	dir := t.TempDir()
	b := &theBroker{port: freePort(t), user: "home"}
	cmd := exec.Command(filepath.Join(programs(t), "hems-broker"))
	cmd.Env = append(os.Environ(), "HEMS_DATA="+dir, "HEMS_LISTEN=127.0.0.1", "HEMS_PORT_BASE="+strconv.Itoa(b.port-4))
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(15*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		late.Stop()
	})
	address := fmt.Sprintf("127.0.0.1:%d", b.port)
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("hems-broker does not listen within 15 s")
		}
	}
	p, err := os.ReadFile(filepath.Join(dir, "secrets", "mqtt-"+b.user))
	if err != nil {
		t.Fatal(err)
	}
	b.password = strings.TrimSpace(string(p))
	b.ways = []way{{name: "TCP", url: "mqtt://" + address}}
	return b
}

func freePort(t *testing.T) int {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if port > 1100 {
			return port
		}
	}
}
