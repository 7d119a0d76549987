//go:build interop

package uplink

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/testservers"
)

// freePort is one that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// program finds a program of the test's.
func program(t *testing.T, name, pkg string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		if p := filepath.Join(dir, name); executable(p) {
			return p
		}
	}
	t.Fatalf("%s is not here: .ci/need %s=%s installs it", name, name, pkg)
	return ""
}

func executable(p string) bool {
	info, err := os.Stat(p)
	return err == nil && info.Mode()&0o111 != 0 && !info.IsDir()
}

// server is a broker of others', as a process.
type server struct {
	bin, config string
	port        string // of plain MQTT
	cmd         *exec.Cmd
	out         *output
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (s *server) start(t *testing.T) {
	t.Helper()
	s.out = &output{}
	s.cmd = exec.Command(s.bin, "-c", s.config)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	eventually(t, s.bin+" listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+s.port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (s *server) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

func (s *server) address() string { return "127.0.0.1:" + s.port }

// newMosquitto is a Mosquitto that keeps its state when it is told to.
func newMosquitto(t *testing.T, more ...string) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{bin: program(t, "mosquitto", "mosquitto"), config: filepath.Join(dir, "mosquitto.conf"), port: freePort(t)}
	text := fmt.Sprintf("per_listener_settings true\npersistence true\npersistence_location %s/\nautosave_interval 0\nuser root\nmax_queued_messages 0\nlistener %s 127.0.0.1\nallow_anonymous true\n%s\n",
		dir, s.port, strings.Join(more, "\n"))
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	return s
}

// save has a Mosquitto write its state to the disk.
func (s *server) save(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(filepath.Dir(s.config), "mosquitto.db")
	eventually(t, "Mosquitto has written its state", func() bool { _, err := os.Stat(file); return err == nil })
	time.Sleep(100 * time.Millisecond)
}

// newCluster is three nodes that keep everything three times.
func newCluster(t *testing.T) (nodes []*server) {
	t.Helper()
	bin := testservers.NATS.Binary(t)
	var routes []string
	for range 3 {
		routes = append(routes, "nats://127.0.0.1:"+freePort(t))
	}
	for i := range 3 {
		dir := t.TempDir()
		s := &server{bin: bin, config: filepath.Join(dir, "nats.conf"), port: freePort(t)}
		text := fmt.Sprintf(`
server_name: n%d
listen: 127.0.0.1:%s
jetstream { store_dir: %q, max_memory_store: 64MB, max_file_store: 256MB }
mqtt { listen: "127.0.0.1:%s", stream_replicas: 3 }
cluster { name: fleet, listen: %q, routes: [%s] }
`, i+1, freePort(t), filepath.Join(dir, "js"), s.port, strings.TrimPrefix(routes[i], "nats://"), strings.Join(routes, ", "))
		if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, s)
	}
	for _, s := range nodes {
		s.start(t)
	}
	for _, s := range nodes {
		within(t, chooses, "a node of the cluster takes messages", func() bool { return takes(t, s.address()) })
	}
	return nodes
}

// chooses is how long a cluster may take to agree who leads what: some 10 s
// where nothing else runs.
const chooses = 2 * time.Minute

// takes tells whether a broker acknowledges a message. One of a cluster that
// is not ready closes the connection after five seconds.
func takes(t *testing.T, address string) bool {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	return exec.Command(program(t, "mosquitto_pub", "mosquitto-clients"), "-h", host, "-p", port, "-V", "mqttv311", "-q", "1", "-t", "ready", "-m", "?").Run() == nil
}

// subscriber is mosquitto_sub, with a session that outlives it.
type subscriber struct {
	out *output
}

func subscribe(t *testing.T, address, id, filter string, more ...string) *subscriber {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	// Into a pipe it would else write when it has much to say.
	args := append([]string{"-oL", program(t, "mosquitto_sub", "mosquitto-clients"), "-h", host, "-p", port, "-V", "mqttv311", "-i", id, "-c", "-q", "2", "-t", filter, "-F", "%t=%p", "-d"}, more...)
	s := &subscriber{out: &output{}}
	cmd := exec.Command(program(t, "stdbuf", "coreutils"), args...)
	cmd.Stdout, cmd.Stderr = s.out, s.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, "mosquitto_sub is subscribed", func() bool { return strings.Contains(s.out.String(), "Subscribed (mid") })
	return s
}

// all is what came, without the client's own words.
func (s *subscriber) all() (list []string) {
	for line := range strings.Lines(s.out.String()) {
		if line = strings.TrimSuffix(line, "\n"); strings.Contains(line, "=") && !strings.HasPrefix(line, "Client ") && !strings.HasPrefix(line, "Subscribed") {
			list = append(list, line)
		}
	}
	return list
}

// publish is mosquitto_pub with one message for each line.
func publish(t *testing.T, address, topic string, qos int, payloads []string, more ...string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	args := append([]string{"-h", host, "-p", port, "-V", "mqttv311", "-q", fmt.Sprint(qos), "-t", topic, "-l"}, more...)
	cmd := exec.Command(program(t, "mosquitto_pub", "mosquitto-clients"), args...)
	cmd.Stdin = strings.NewReader(strings.Join(payloads, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("mosquitto_pub: %v\n%s", err, out)
	}
}

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.make("ca", &x509.Certificate{Subject: pkix.Name{CommonName: "a test's authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// sign makes NAME.crt and NAME.key.
func (a *authority) sign(name string, hosts ...string) {
	a.t.Helper()
	c := &x509.Certificate{Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for _, h := range hosts {
		c.IPAddresses = append(c.IPAddresses, net.ParseIP(h))
	}
	a.make(name, c, a.cert, a.key)
}

func (a *authority) make(name string, c, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if parent == nil {
		parent, by = c, key
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	if err != nil {
		a.t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for suffix, block := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "EC PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(a.file(name+suffix), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return made, key
}
