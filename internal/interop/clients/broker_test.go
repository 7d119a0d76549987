//go:build interop

package clients

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/pki"
)

// theBroker is the program hems-broker with the person's user.
type theBroker struct {
	port           int
	user, password string
	ways           []way
	tls            int // the port with TLS, and
	ca             string
}

// way is a transport.
type way struct {
	name, url, ca string
}

func startBroker(t *testing.T) *theBroker {
	t.Helper()
	dir := t.TempDir()
	b := &theBroker{port: freePort(t), user: "home"}
	ca := authority(t, dir)
	secure, web, both := freePort(t), freePort(t), freePort(t)
	hems := fmt.Sprintf("mqtt:\n  listeners:\n"+
		"    - {port: %d, bind_address: 127.0.0.1}\n"+
		"    - {port: %d, bind_address: 127.0.0.1, tls: true}\n"+
		"    - {port: %d, bind_address: 127.0.0.1, protocol: websockets}\n"+
		"    - {port: %d, bind_address: 127.0.0.1, protocol: websockets, tls: true}\n", b.port, secure, web, both)
	if err := os.WriteFile(filepath.Join(dir, "hems.yaml"), []byte(hems), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(programs(t), "hems-broker"))
	cmd.Env = append(os.Environ(), "HEMS_DATA="+dir, "HEMS_LISTEN=127.0.0.1")
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
	for _, port := range []int{b.port, secure, web, both} {
		for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
				c.Close()
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("hems-broker does not listen within 15 s")
			}
		}
	}
	p, err := os.ReadFile(filepath.Join(dir, "secrets", "mqtt-"+b.user))
	if err != nil {
		t.Fatal(err)
	}
	b.password = strings.TrimSpace(string(p))
	b.tls, b.ca = secure, ca
	b.ways = []way{
		{name: "TCP", url: fmt.Sprintf("mqtt://127.0.0.1:%d", b.port)},
		{name: "TLS", url: fmt.Sprintf("mqtts://127.0.0.1:%d", secure), ca: ca},
		{name: "WebSocket", url: fmt.Sprintf("ws://127.0.0.1:%d/mqtt", web)},
		{name: "WebSocketTLS", url: fmt.Sprintf("wss://127.0.0.1:%d/mqtt", both), ca: ca},
	}
	return b
}

// authority makes the certificates, as hems-manager would, and returns the file of
// the authority's.
func authority(t *testing.T, dir string) string {
	t.Helper()
	_, err := pki.Open(pki.Options{
		Dir: filepath.Join(dir, "pki"), Holders: []pki.Holder{{Name: "broker"}}, Host: func() string { return "hems" },
		Synchronised: func() bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "pki", pki.CAFile)
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
