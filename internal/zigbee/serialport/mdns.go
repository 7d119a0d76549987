package serialport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// coordinator is a dongle on the network that announces itself (DNS-SD,
// RFC 6763).
type coordinator struct {
	name  string // its instance, for people
	kind  string // its service, without "_" and "._tcp"
	host  string
	addr  netip.Addr
	port  uint16
	radio string // TXT radio_type
}

func (c coordinator) address() string {
	return "tcp://" + netip.AddrPortFrom(c.addr, c.port).String()
}

// services are what network coordinators announce. Source: the makers' firmware.
var services = []string{"slzb-06", "zigstar_gw", "uzg-01", "tube_zb_gw", "xzg", "czc", "zigbee-coordinator"}

// emberRadios are the radio types that speak EZSP.
var emberRadios = []string{"ezsp", "ember", "efr32"}

const (
	mdnsGroup = "224.0.0.251:5353" // RFC 6762 §3
	// mdnsWait is how long answers are waited for; mdnsEvery how often the
	// network is asked at most, as long as there is no answer.
	mdnsWait  = 1500 * time.Millisecond
	mdnsEvery = 20 * time.Second
	// maxAnswers and maxCoordinators bound what strangers can make us keep.
	maxAnswers      = 256
	maxCoordinators = 16
)

var errNoDongle = &Error{
	Message: "no dongle is plugged in",
	Advice:  "plug the dongle into a USB socket; it is used as soon as it is there (one on the network: set zigbee.serial.port to tcp://its-address:port)",
	Plain:   Plain{"no dongle is plugged in", "plug the dongle into a USB socket; it is used as soon as it is there"},
}

// ask is the one coordinator on the network that announces itself, of a kind
// unless that is empty. Several are a question for a person: to take the wrong
// one would take it from whom it serves.
func (f *Finder) ask(ctx context.Context, kind string) (coordinator, error) {
	if kind != "" && !slices.Contains(services, kind) {
		return coordinator{}, &Error{
			Message: fmt.Sprintf("%q is no kind of network coordinator that is known", kind),
			Advice:  "give mdns:// with one of " + strings.Join(services, ", ") + ", or the address as tcp://host:port",
		}
	}
	f.mu.Lock()
	if !f.asked.IsZero() && time.Since(f.asked) < mdnsEvery && len(f.answer) == 0 {
		f.mu.Unlock()
		return coordinator{}, noneFound(kind)
	}
	f.asked = time.Now()
	known := f.known
	f.mu.Unlock()

	kinds := services
	if kind != "" {
		kinds = []string{kind}
	}
	all, err := browse(ctx, f.mdns, f.wait, kinds)
	if err != nil {
		f.log.Debug("the network was not asked for coordinators", "err", err)
	}
	ours := slices.DeleteFunc(all, func(c coordinator) bool { return !slices.Contains(emberRadios, strings.ToLower(c.radio)) })
	f.mu.Lock()
	f.answer = ours
	f.mu.Unlock()
	if known != nil && known.Address != "" {
		for _, c := range ours {
			if c.address() == known.Address || c.name == known.Name {
				return c, nil
			}
		}
	}
	switch len(ours) {
	case 0:
		return coordinator{}, noneFound(kind)
	case 1:
		return ours[0], nil
	}
	var names []string
	for _, c := range ours {
		names = append(names, fmt.Sprintf("%s (%s)", c.address(), c.name))
	}
	return coordinator{}, &Error{
		Message: "there are several Zigbee coordinators on the network",
		Advice:  "set zigbee.serial.port to the one to use: " + strings.Join(names, ", "),
	}
}

func noneFound(kind string) error {
	if kind == "" {
		return errNoDongle
	}
	return &Error{
		Message: fmt.Sprintf("no coordinator of the kind %q announces itself on the network", kind),
		Advice:  "check that it is switched on, in coordinator mode and on this network, or give its address as tcp://host:port",
		Plain:   unreachable,
	}
}

// browse asks the network once, from a port of its own, so that the answers come
// to that port (RFC 6762 §6.7): no other resolver on this machine is in the way.
func browse(ctx context.Context, group string, wait time.Duration, kinds []string) ([]coordinator, error) {
	to, err := net.ResolveUDPAddr("udp4", group)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })()
	question, err := query(kinds)
	if err != nil {
		return nil, err
	}
	if _, err := conn.WriteToUDP(question, to); err != nil {
		return nil, err
	}
	conn.SetReadDeadline(time.Now().Add(wait))
	var found answers
	buf := make([]byte, 9000) // RFC 6762 §17
	for range maxAnswers {
		n, from, err := conn.ReadFromUDP(buf)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			break
		}
		if err != nil {
			return found.coordinators(kinds), err
		}
		found.add(buf[:n], from.AddrPort().Addr())
	}
	return found.coordinators(kinds), ctx.Err()
}

func query(kinds []string) ([]byte, error) {
	m := dnsmessage.Message{}
	for _, k := range kinds {
		name, err := dnsmessage.NewName("_" + k + "._tcp.local.")
		if err != nil {
			return nil, err
		}
		// The top bit asks for a unicast answer (RFC 6762 §5.4).
		m.Questions = append(m.Questions, dnsmessage.Question{Name: name, Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET | 1<<15})
	}
	return m.Pack()
}

// answers gather records until they make coordinators.
type answers struct {
	instances []instance
	services  map[string]dnsmessage.SRVResource
	texts     map[string][]string
	addresses map[string]netip.Addr
}

type instance struct {
	kind, name string
	from       netip.Addr
}

// add takes a packet. What makes no sense is left out.
func (a *answers) add(packet []byte, from netip.Addr) {
	var p dnsmessage.Parser
	h, err := p.Start(packet)
	if err != nil || !h.Response || p.SkipAllQuestions() != nil {
		return
	}
	if a.services == nil {
		a.services = map[string]dnsmessage.SRVResource{}
		a.texts = map[string][]string{}
		a.addresses = map[string]netip.Addr{}
	}
	sections := []func() (dnsmessage.Resource, error){p.Answer, nil, p.Additional}
	for i, next := range sections {
		if i == 1 {
			if p.SkipAllAuthorities() != nil {
				return
			}
			continue
		}
		for range maxAnswers {
			r, err := next()
			if err != nil {
				if errors.Is(err, dnsmessage.ErrSectionDone) {
					break
				}
				return
			}
			a.record(r, from)
		}
	}
}

func (a *answers) record(r dnsmessage.Resource, from netip.Addr) {
	name := strings.ToLower(r.Header.Name.String())
	switch b := r.Body.(type) {
	case *dnsmessage.PTRResource:
		kind, ok := strings.CutSuffix(name, "._tcp.local.")
		in := instance{kind: strings.TrimPrefix(kind, "_"), name: strings.ToLower(b.PTR.String()), from: from.Unmap()}
		if ok && len(a.instances) < maxCoordinators && !slices.Contains(a.instances, in) {
			a.instances = append(a.instances, in)
		}
	case *dnsmessage.SRVResource:
		if len(a.services) < maxAnswers {
			a.services[name] = *b
		}
	case *dnsmessage.TXTResource:
		if len(a.texts) < maxAnswers {
			a.texts[name] = b.TXT
		}
	case *dnsmessage.AResource:
		if len(a.addresses) < maxAnswers {
			a.addresses[name] = netip.AddrFrom4(b.A)
		}
	}
}

// coordinators are the instances of kinds of which all is known. One that does
// not say its address has the one its answer came from.
func (a *answers) coordinators(kinds []string) []coordinator {
	var list []coordinator
	for _, in := range a.instances {
		s, ok := a.services[in.name]
		if !ok || s.Port == 0 || !slices.Contains(kinds, in.kind) {
			continue
		}
		c := coordinator{kind: in.kind, port: s.Port, host: strings.ToLower(s.Target.String()), addr: in.from}
		c.name, _, _ = strings.Cut(in.name, "._"+in.kind)
		if addr, ok := a.addresses[c.host]; ok {
			c.addr = addr
		}
		for _, t := range a.texts[in.name] {
			if k, v, ok := strings.Cut(t, "="); ok && strings.EqualFold(k, "radio_type") {
				c.radio = v
			}
		}
		if c.addr.IsValid() {
			list = append(list, c)
		}
	}
	return list
}
