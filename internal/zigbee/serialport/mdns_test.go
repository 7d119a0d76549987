package serialport

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"
)

// announced is a coordinator on a network made for the test.
type announced struct {
	kind, instance, radio string
	addr                  string // "" for none in the answer
	port                  uint16
}

// reply is what the coordinator's firmware answers.
func (a announced) reply(t testing.TB) []byte {
	t.Helper()
	name := func(s string) dnsmessage.Name {
		n, err := dnsmessage.NewName(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	service := "_" + a.kind + "._tcp.local."
	instance, host := a.instance+"."+service, a.instance+".local."
	header := func(n string, typ dnsmessage.Type) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: name(n), Type: typ, Class: dnsmessage.ClassINET, TTL: 120}
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}}
	m.Answers = []dnsmessage.Resource{{Header: header(service, dnsmessage.TypePTR), Body: &dnsmessage.PTRResource{PTR: name(instance)}}}
	m.Additionals = []dnsmessage.Resource{
		{Header: header(instance, dnsmessage.TypeSRV), Body: &dnsmessage.SRVResource{Port: a.port, Target: name(host)}},
		{Header: header(instance, dnsmessage.TypeTXT), Body: &dnsmessage.TXTResource{TXT: []string{"version=v2", "radio_type=" + a.radio, "baud_rate=115200"}}},
	}
	if a.addr != "" {
		m.Additionals = append(m.Additionals, dnsmessage.Resource{Header: header(host, dnsmessage.TypeA),
			Body: &dnsmessage.AResource{A: netip.MustParseAddr(a.addr).As4()}})
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// network answers each question once for each coordinator.
func network(t *testing.T, all ...announced) (address string, asked func() []string) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	questions := make(chan []string, 16)
	go func() {
		buf := make([]byte, 2000)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var q dnsmessage.Message
			var names []string
			if q.Unpack(buf[:n]) == nil {
				for _, one := range q.Questions {
					names = append(names, one.Name.String())
				}
			}
			questions <- names
			conn.WriteTo([]byte("no packet at all"), from)
			for _, a := range all {
				conn.WriteTo(a.reply(t), from)
			}
		}
	}()
	return conn.LocalAddr().String(), func() []string {
		select {
		case q := <-questions:
			return q
		default:
			return nil
		}
	}
}

func TestCoordinatorsOnTheNetwork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) // the parallel subtests end later
	port := l.Addr().(*net.TCPAddr).Port
	slzb := announced{"slzb-06", "SLZB-06M", "ezsp", "127.0.0.1", uint16(port)}
	for _, tt := range []struct {
		name, port string
		all        []announced
		want       string
		hint       string
	}{
		{"Auto", Auto, []announced{slzb}, "", ""},
		{"ByKind", "mdns://slzb-06", []announced{slzb}, "", ""},
		{"WithoutAnAddressInTheAnswer", Auto, []announced{{"slzb-06", "SLZB-06M", "ezsp", "", uint16(port)}}, "", ""},
		{"OneOfAnotherRadioIsLeft", Auto, []announced{{"uzg-01", "UZG", "znp", "127.0.0.1", uint16(port)}, slzb}, "", ""},
		{"OnlyOneOfAnotherRadio", Auto, []announced{{"uzg-01", "UZG", "znp", "127.0.0.1", 1}}, "no dongle is plugged in", "tcp://"},
		{"TwoAreAQuestion", Auto, []announced{slzb, {"xzg", "XZG-1", "ember", "127.0.0.1", 6638}}, "several Zigbee coordinators", "tcp://127.0.0.1:6638 (xzg-1)"},
		{"AnotherKind", "mdns://xzg", []announced{slzb}, `no coordinator of the kind "xzg"`, "switched on"},
		{"UnknownKind", "mdns://nothing", nil, `"nothing" is no kind`, "slzb-06"},
		{"NobodyAnswers", Auto, nil, "no dongle is plugged in", "tcp://"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			f := m.finder(Options{Port: tt.port})
			f.mdns, _ = network(t, tt.all...)
			line, err := f.Open(t.Context())
			if tt.want != "" {
				wantError(t, err, tt.want, tt.hint)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer line.Close()
			if got, want := line.Name, "tcp://"+l.Addr().String(); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestTheNetworkIsNotAskedAllTheTime(t *testing.T) {
	m := newMachine(t)
	f := m.finder(Options{Port: Auto})
	var asked func() []string
	f.mdns, asked = network(t)
	for range 3 {
		if _, err := f.Open(t.Context()); !errors.Is(err, errNoDongle) {
			t.Fatal(err)
		}
	}
	var want []string
	for _, s := range services {
		want = append(want, "_"+s+"._tcp.local.")
	}
	if diff := cmp.Diff(want, asked()); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
	if again := asked(); again != nil {
		t.Errorf("asked again: %v", again)
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add(announced{"slzb-06", "SLZB-06M", "ezsp", "192.0.2.1", 6638}.reply(f))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, packet []byte) {
		var a answers
		a.add(packet, netip.MustParseAddr("192.0.2.9"))
		for _, c := range a.coordinators(services) {
			if !strings.HasPrefix(c.address(), "tcp://") || c.port == 0 {
				t.Fatalf("%+v", c)
			}
		}
		if len(a.instances) > maxCoordinators {
			t.Fatalf("%d instances kept", len(a.instances))
		}
	})
}
