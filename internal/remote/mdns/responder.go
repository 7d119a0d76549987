package mdns

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"github.com/pion/logging"
	pion "github.com/pion/mdns/v2"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// hops is what every packet of mDNS carries (RFC 6762 §11).
const hops = 255

// responder answers on a set of interfaces, as they were when it was made.
type responder struct{ conn *pion.Conn }

func respond(name string, https uint16, on []iface, loopback bool, log *slog.Logger) (*responder, error) {
	l4, err4 := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(224, 0, 0, 0), Port: 5353})
	l6, err6 := net.ListenUDP("udp6", &net.UDPAddr{IP: net.ParseIP("ff02::"), Port: 5353})
	if err4 != nil && err6 != nil {
		return nil, fmt.Errorf("listening on UDP port 5353: %w", errors.Join(err4, err6))
	}
	var c4 *ipv4.PacketConn
	var c6 *ipv6.PacketConn
	if err4 == nil {
		c4 = ipv4.NewPacketConn(l4)
		err4 = errors.Join(c4.SetTTL(hops), c4.SetMulticastTTL(hops))
	}
	if err6 == nil {
		c6 = ipv6.NewPacketConn(l6)
		err6 = errors.Join(c6.SetHopLimit(hops), c6.SetMulticastHopLimit(hops))
	}
	if err := errors.Join(err4, err6); err != nil {
		log.Debug("mDNS in part", "err", err) // a machine without IPv6
	}
	var list []net.Interface
	for _, f := range on {
		list = append(list, f.Interface)
	}
	options := []pion.ServerOption{
		pion.WithName("hems"), pion.WithLocalNames(name), pion.WithInterfaces(list...), pion.WithIncludeLoopback(loopback),
		pion.WithCacheRefresh(false), pion.WithLoggerFactory(factory{log}),
	}
	kinds := []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA}
	if https != 0 {
		kinds = append(kinds, dnsmessage.TypePTR, dnsmessage.TypeSRV, dnsmessage.TypeTXT)
		options = append(options, pion.WithService(pion.ServiceInstance{Instance: instance(name), Service: "_https._tcp", Host: name + ".", Port: https}))
	}
	conn, err := pion.NewServer(c4, c6, append(options, pion.WithRecordTypes(kinds...))...)
	if err != nil {
		if l4 != nil {
			l4.Close()
		}
		if l6 != nil {
			l6.Close()
		}
		return nil, err
	}
	return &responder{conn}, nil
}

// instance is what a person reads in a list of servers.
func instance(name string) string {
	host := strings.TrimSuffix(name, ".local")
	const most = 63 // bytes, RFC 6763 §4.1.1
	if s := "SmartCORE HEMS " + host; len(s) <= most {
		return s
	}
	return host
}

func (r *responder) close() { _ = r.conn.Close() }

// factory hands pion a log. Whatever it has to say there is about packets of
// strangers, so none of it is worth more than debug.
type factory struct{ log *slog.Logger }

func (f factory) NewLogger(string) logging.LeveledLogger { return leveled(f) }

type leveled struct{ log *slog.Logger }

func (l leveled) Trace(string)          {}
func (l leveled) Tracef(string, ...any) {}
func (l leveled) Debug(string)          {}
func (l leveled) Debugf(string, ...any) {}
func (l leveled) Info(m string)         { l.log.Debug("mDNS", "says", m) }
func (l leveled) Infof(f string, a ...any) {
	l.log.Debug("mDNS", "says", fmt.Sprintf(f, a...))
}
func (l leveled) Warn(m string) { l.Info(m) }
func (l leveled) Warnf(f string, a ...any) {
	l.Infof(f, a...)
}
func (l leveled) Error(m string) { l.Info(m) }
func (l leveled) Errorf(f string, a ...any) {
	l.Infof(f, a...)
}
