package mdns

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"
)

const (
	listenFor  = 750 * time.Millisecond // for an answer: RFC 6762 §8.1 has three times 250 ms
	askTimes   = 3
	maxPacket  = 9000 // bytes, RFC 6762 §17
	maxAnswers = 64   // records of a packet that are looked at
)

// group is where every machine listens.
var group = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}

// rival asks on every interface who has the name, and returns the address of
// another machine that says it does; the zero address when none does. The
// question comes from a port of its own, so the answer comes to it alone.
func rival(ctx context.Context, name string, on []iface) netip.Addr {
	ctx, cancel := context.WithTimeout(ctx, listenFor)
	defer cancel()
	found := make(chan netip.Addr, len(on))
	var wg sync.WaitGroup
	for _, f := range on {
		wg.Go(func() {
			if addr := f.rival(ctx, name, on); addr.IsValid() {
				found <- addr
				cancel()
			}
		})
	}
	wg.Wait()
	select {
	case addr := <-found:
		return addr
	default:
		return netip.Addr{}
	}
}

func (f iface) rival(ctx context.Context, name string, on []iface) netip.Addr {
	question, err := ask(name)
	if err != nil {
		return netip.Addr{}
	}
	l, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return netip.Addr{}
	}
	defer l.Close()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	c := ipv4.NewPacketConn(l)
	if c.SetMulticastInterface(&f.Interface) != nil || c.SetMulticastTTL(hops) != nil {
		return netip.Addr{}
	}
	go func() {
		for range askTimes {
			if _, err := c.WriteTo(question, nil, group); err != nil {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(listenFor / askTimes):
			}
		}
	}()
	buf := make([]byte, maxPacket)
	for {
		n, _, err := l.ReadFromUDPAddrPort(buf)
		if err != nil {
			return netip.Addr{}
		}
		for _, addr := range answers(buf[:n], name) {
			if !own(on, addr) {
				return addr
			}
		}
	}
}

// ask is the question for the addresses of a name.
func ask(name string) ([]byte, error) {
	n, err := dnsmessage.NewName(name + ".")
	if err != nil {
		return nil, err
	}
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: n, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	return m.Pack()
}

// answers are the addresses that a packet says a name has. What is no answer, or
// about another name, has none.
func answers(packet []byte, name string) []netip.Addr {
	var p dnsmessage.Parser
	h, err := p.Start(packet)
	if err != nil || !h.Response || p.SkipAllQuestions() != nil {
		return nil
	}
	var found []netip.Addr
	for range maxAnswers {
		r, err := p.AnswerHeader()
		if err != nil {
			return found
		}
		ours := strings.EqualFold(r.Name.String(), name+".")
		switch {
		case ours && r.Type == dnsmessage.TypeA:
			a, err := p.AResource()
			if err != nil {
				return found
			}
			found = append(found, netip.AddrFrom4(a.A))
		case ours && r.Type == dnsmessage.TypeAAAA:
			a, err := p.AAAAResource()
			if err != nil {
				return found
			}
			found = append(found, netip.AddrFrom16(a.AAAA).Unmap())
		default:
			if p.SkipAnswer() != nil {
				return found
			}
		}
	}
	return found
}
