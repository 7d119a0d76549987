package mdns

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// logbook keeps what was logged.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logbook) await(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if strings.Contains(l.String(), want) {
			return
		}
	}
	t.Fatalf("%q was never logged; the log has\n%s", want, l)
}

// start runs an announcer on the loopback interface.
func start(t *testing.T, host string) (*logbook, func()) {
	t.Helper()
	log := &logbook{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Run(ctx, Options{Host: host, HTTPS: 8443, Log: slog.New(slog.NewTextHandler(log, nil)), Loopback: true, Look: 50 * time.Millisecond, Ask: 300 * time.Millisecond})
	}()
	stop := sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return log, stop
}

// query asks by multicast on the loopback interface as another machine would,
// and returns the records of the first answer about name; nil when there is none
// in time.
func query(t *testing.T, name string, kind dnsmessage.Type, within time.Duration) []dnsmessage.Resource {
	t.Helper()
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := ipv4.NewPacketConn(l)
	if err := c.SetMulticastInterface(lo); err != nil {
		t.Fatal(err)
	}
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: kind, Class: dnsmessage.ClassINET}}}
	packet, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, maxPacket)
	for deadline := time.Now().Add(within); time.Now().Before(deadline); {
		if _, err := c.WriteTo(packet, nil, group); err != nil {
			t.Fatalf("asking: %v", err)
		}
		if err := l.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		n, err := l.Read(buf)
		if err != nil {
			continue
		}
		var answer dnsmessage.Message
		if err := answer.Unpack(buf[:n]); err != nil {
			t.Fatalf("the answer: %v", err)
		}
		return answer.Answers
	}
	return nil
}

// unique is a name that no other test on this machine answers to.
func unique() string { return "hems-" + strings.ToLower(rand.Text()[:12]) }

func TestNameIsAnsweredByMulticast(t *testing.T) {
	host := unique()
	log, stop := start(t, host)
	log.await(t, "answers to its name")
	got := query(t, host+".local", dnsmessage.TypeA, 10*time.Second)
	if len(got) != 1 {
		t.Fatalf("answers: got %v, want one", got)
	}
	a, ok := got[0].Body.(*dnsmessage.AResource)
	if !ok || a.A != [4]byte{127, 0, 0, 1} || got[0].Header.TTL == 0 || got[0].Header.Name.String() != host+".local." {
		t.Errorf("the answer: got %v, want A 127.0.0.1", got[0])
	}
	if got := query(t, strings.ToUpper(host)+".LOCAL", dnsmessage.TypeA, 10*time.Second); len(got) != 1 {
		t.Errorf("the name in capitals: got %v, want an answer", got)
	}
	if got := query(t, host+"x.local", dnsmessage.TypeA, 300*time.Millisecond); got != nil {
		t.Errorf("another name: got %v, want no answer", got)
	}
	stop()
	if got := query(t, host+".local", dnsmessage.TypeA, 300*time.Millisecond); got != nil {
		t.Errorf("after the end: got %v, want no answer", got)
	}
}

// TestEncryptedServerIsAnnounced: who looks for encrypted web servers finds this
// one's name and port, and its address by its name.
func TestEncryptedServerIsAnnounced(t *testing.T) {
	host := unique()
	log, _ := start(t, host)
	log.await(t, "answers to its name")
	name := "SmartCORE HEMS " + host + "._https._tcp.local"
	found := false
	for deadline := time.Now().Add(20 * time.Second); !found && time.Now().Before(deadline); { // others on this machine may answer, too
		for _, r := range query(t, "_https._tcp.local", dnsmessage.TypePTR, time.Second) {
			if p, ok := r.Body.(*dnsmessage.PTRResource); ok && p.PTR.String() == name+"." {
				found = true
			}
		}
	}
	if !found {
		t.Errorf("nobody who looks for _https._tcp.local finds %q", name)
	}
	got := query(t, name, dnsmessage.TypeSRV, 20*time.Second)
	if len(got) == 0 {
		t.Fatalf("%s: no answer", name)
	}
	srv, ok := got[0].Body.(*dnsmessage.SRVResource)
	if !ok || srv.Port != 8443 || !strings.EqualFold(srv.Target.String(), host+".local.") {
		t.Errorf("%s: got %v, want port 8443 of %s.local", name, got[0].Body, host)
	}
	long := strings.Repeat("x", 63)
	if got := instance(long + ".local"); got != long {
		t.Errorf("a long name: got %q", got)
	}
}

// TestNameThatIsTaken has another machine that is called the same: a socket that
// answers with an address which is not this machine's.
func TestNameThatIsTaken(t *testing.T) {
	host := unique()
	leave := pretend(t, host+".local", netip.MustParseAddr("192.0.2.7"))
	log, _ := start(t, host)
	log.await(t, "another machine, at 192.0.2.7, is called "+host+".local")
	time.Sleep(time.Second) // it is looked for again meanwhile
	if got := strings.Count(log.String(), "another machine"); got != 1 {
		t.Errorf("the other machine was said %d times, want once", got)
	}
	leave()
	log.await(t, "answers to its name on the network")
	if got := query(t, host+".local", dnsmessage.TypeA, 10*time.Second); len(got) != 1 {
		t.Errorf("after the other left: got %v, want an answer", got)
	}
}

// pretend answers to a name until stopped.
func pretend(t *testing.T, name string, addr netip.Addr) (stop func()) {
	t.Helper()
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenMulticastUDP("udp4", lo, group)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, maxPacket)
		for {
			n, from, err := l.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || m.Response || len(m.Questions) != 1 || m.Questions[0].Name.String() != name+"." {
				continue
			}
			packet, err := packAnswer(m.Questions[0].Name, addr)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = l.WriteToUDPAddrPort(packet, from)
		}
	}()
	stop = sync.OnceFunc(func() { l.Close(); <-done })
	t.Cleanup(stop)
	return stop
}

func packAnswer(name dnsmessage.Name, addrs ...netip.Addr) ([]byte, error) {
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}}
	for _, addr := range addrs {
		h := dnsmessage.ResourceHeader{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 120}
		var body dnsmessage.ResourceBody = &dnsmessage.AResource{A: [4]byte(addr.AsSlice()[:4])}
		if addr.Is6() {
			h.Type, body = dnsmessage.TypeAAAA, &dnsmessage.AAAAResource{AAAA: addr.As16()}
		}
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: body})
	}
	return m.Pack()
}

// TestNetworkThatComesLate runs in a network of its own, where the loopback
// interface is down at first.
func TestNetworkThatComesLate(t *testing.T) {
	const inside = "HEMS_TEST_NETWORK"
	if os.Getenv(inside) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestNetworkThatComesLate$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		if os.Geteuid() != 0 {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
		}
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestNetworkThatComesLate")) {
			t.Fatalf("in a network of its own: %v\n%s", err, out)
		}
		return
	}
	host := unique()
	log, _ := start(t, host)
	log.await(t, "there is no network")
	time.Sleep(300 * time.Millisecond)
	if got := strings.Count(log.String(), "there is no network"); got != 1 {
		t.Errorf("the missing network was said %d times, want once", got)
	}
	loopback(t, true)
	log.await(t, "answers to its name on the network")
	if got := query(t, host+".local", dnsmessage.TypeA, 10*time.Second); len(got) != 1 {
		t.Fatalf("once the network is there: got %v, want an answer", got)
	}
	loopback(t, false)
	for deadline := time.Now().Add(time.Minute); strings.Count(log.String(), "there is no network") < 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the network that went was never noticed:\n%s", log)
		}
	}
	loopback(t, true)
	if got := query(t, host+".local", dnsmessage.TypeA, 10*time.Second); len(got) != 1 {
		t.Errorf("once the network is back: got %v, want an answer", got)
	}
}

// loopback switches the loopback interface of this process's own network.
func loopback(t *testing.T, up bool) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	ifr.SetUint16(0)
	if up {
		ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(ifr))); errno != 0 {
		t.Fatalf("switching the loopback interface: %v", errno)
	}
}

func TestAnswers(t *testing.T) {
	name := dnsmessage.MustNewName("hems.local.")
	packet := func(name dnsmessage.Name, addrs ...netip.Addr) []byte {
		b, err := packAnswer(name, addrs...)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	four, six := netip.MustParseAddr("192.168.1.7"), netip.MustParseAddr("fe80::7")
	question, err := ask("hems.local")
	if err != nil {
		t.Fatal(err)
	}
	full := packet(name, four, six)
	for _, tt := range []struct {
		name   string
		packet []byte
		want   []netip.Addr
	}{
		{"OneOfEach", full, []netip.Addr{four, six}},
		{"Capitals", packet(dnsmessage.MustNewName("HEMS.Local."), four), []netip.Addr{four}},
		{"AnotherName", packet(dnsmessage.MustNewName("hems2.local."), four), nil},
		{"AQuestion", question, nil},
		{"Empty", nil, nil},
		{"CutShort", full[:len(full)-3], []netip.Addr{four}},
		{"Mapped", packet(name, netip.MustParseAddr("::ffff:192.168.1.7")), []netip.Addr{four}},
		{"TooMany", packet(name, slices.Repeat([]netip.Addr{four}, maxAnswers+10)...), slices.Repeat([]netip.Addr{four}, maxAnswers)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, answers(tt.packet, "hems.local"), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestLowerAddressKeepsTheName(t *testing.T) {
	on := []iface{{addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.168.1.7"), netip.MustParseAddr("fe80::7")}}}
	for other, want := range map[string]bool{"192.168.1.8": true, "192.168.1.6": false, "fe80::8": true, "fe80::6": false} {
		if got := first(on, netip.MustParseAddr(other)); got != want {
			t.Errorf("beside %s: got %v, want %v", other, got, want)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	b, err := packAnswer(dnsmessage.MustNewName("hems.local."), netip.MustParseAddr("192.168.1.7"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0, 0, 0x84, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xc0, 0x0c})
	f.Fuzz(func(t *testing.T, packet []byte) {
		for _, addr := range answers(packet, "hems.local") {
			if !addr.IsValid() || addr.Is4In6() {
				t.Errorf("got the address %v", addr)
			}
		}
	})
}
