package clock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/beevik/ntp"
)

const (
	// maxDistance is how far a server's time may be from the truth by its own
	// account and that of the way to it. (ntpd: tos maxdist.)
	maxDistance = 1500 * time.Millisecond
	// jitter is added to what a server says of its errors: the network's.
	jitter = 5 * time.Millisecond
	// quietFor is how long a server is left alone that asked for it.
	quietFor = time.Hour
	// maxTries is how many addresses of one name are tried.
	maxTries = 3
)

// answer is one server's.
type answer struct {
	server  string
	address netip.AddrPort
	offset  time.Duration // to be added to the clock
	bound   time.Duration // how far from the truth that may be
}

// ask asks all servers at once and returns what most of those that answer agree
// on. The error says why there is nothing to follow.
func (k *keeper) ask(ctx context.Context) (opinion, error) {
	var (
		mu      sync.Mutex
		answers []answer
		errs    = make([]error, len(k.Servers))
		used    = map[netip.AddrPort]bool{}
		group   sync.WaitGroup
	)
	claim := func(a netip.AddrPort) bool {
		mu.Lock()
		defer mu.Unlock()
		if used[a] {
			return false
		}
		used[a] = true
		return true
	}
	for i, server := range k.Servers {
		if until, ok := k.quiet[server]; ok && time.Now().Before(until) {
			errs[i] = fmt.Errorf("%s asked to be left alone", server)
			continue
		}
		group.Go(func() {
			a, err := k.askServer(ctx, server, claim)
			mu.Lock()
			defer mu.Unlock()
			if errs[i] = err; err == nil {
				answers = append(answers, a)
			}
		})
	}
	group.Wait()
	for i, err := range errs {
		if errors.Is(err, ntp.ErrKissOfDeath) {
			k.quiet[k.Servers[i]] = time.Now().Add(quietFor)
		}
	}
	if len(answers) == 0 {
		return opinion{}, fmt.Errorf("no time server gives the time: %w", errors.Join(errs...))
	}
	offset, agree := agreement(answers)
	if 2*len(agree) <= len(answers) {
		var said []string
		for _, a := range answers {
			said = append(said, fmt.Sprintf("%s %v", a.server, a.offset.Round(time.Second)))
		}
		slices.Sort(said)
		return opinion{}, fmt.Errorf("time servers do not agree: the clock is wrong by %s", strings.Join(said, ", "))
	}
	return opinion{offset: offset, voices: len(agree), source: source(agree)}, nil
}

// source names who was believed: the closest one, and its address.
func source(agree []answer) string {
	a := agree[0]
	if host, _, err := net.SplitHostPort(a.server); err == nil && host == a.address.Addr().String() || a.server == a.address.Addr().String() {
		return a.server
	}
	return fmt.Sprintf("%s (%s)", a.server, a.address.Addr())
}

// errAgain: the addresses of this name were asked under other names.
var errAgain = errors.New("it is another name of a server that was asked already")

func (k *keeper) askServer(ctx context.Context, server string, claim func(netip.AddrPort) bool) (answer, error) {
	addresses, err := k.resolve(ctx, server)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", server, err)
	}
	tried := 0
	err = errAgain
	for _, address := range addresses {
		if tried == maxTries || ctx.Err() != nil {
			break
		}
		if !claim(address) {
			continue
		}
		tried++
		var a answer
		if a, err = k.askAddress(ctx, server, address); err == nil || errors.Is(err, ntp.ErrKissOfDeath) {
			return a, err
		}
	}
	return answer{}, err
}

func (k *keeper) askAddress(ctx context.Context, server string, address netip.AddrPort) (answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := ntp.QueryWithOptions(address.String(), ntp.QueryOptions{
		Timeout:       k.tempo.answer,
		GetSystemTime: k.Clock.Now,
		Dialer: func(_, remote string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, "udp", remote)
			if err == nil {
				context.AfterFunc(ctx, func() { c.Close() }) // whoever stops does not wait for an answer
			}
			return c, err
		},
	})
	if err == nil {
		err = r.Validate()
	}
	switch {
	case errors.Is(err, ntp.ErrKissOfDeath):
		return answer{}, fmt.Errorf("%s does not want to be asked (%q): %w", server, r.KissCode, err)
	case err != nil:
		return answer{}, fmt.Errorf("%s: %w", server, err)
	case r.RootDistance > maxDistance || r.RTT < 0:
		return answer{}, fmt.Errorf("%s: its time may be wrong by %v", server, r.RootDistance)
	}
	return answer{server: server, address: address, offset: r.ClockOffset, bound: r.RootDistance + jitter}, nil
}

// resolve returns the addresses of "host" or "host:port".
func (k *keeper) resolve(ctx context.Context, server string) ([]netip.AddrPort, error) {
	host, port := server, uint64(123)
	if h, p, err := net.SplitHostPort(server); err == nil {
		if port, err = strconv.ParseUint(p, 10, 16); err != nil {
			return nil, fmt.Errorf("%q is no port", p)
		}
		host = h
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a, uint16(port))}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, k.tempo.answer)
	defer cancel()
	found, err := k.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var out []netip.AddrPort
	for _, a := range found {
		out = append(out, netip.AddrPortFrom(a.Unmap(), uint16(port)))
	}
	return out, nil
}

// agreement finds the offset that most answers allow: where most of their
// intervals, offset ± bound, overlap (Marzullo's algorithm; RFC 5905, 11.2.1).
// Of that part it is the point nearest to the most exact answer's, and agree
// are the answers that allow it, the most exact one first.
func agreement(answers []answer) (offset time.Duration, agree []answer) {
	most := 0
	var low, high time.Duration
	for _, a := range answers { // the best part begins where one of them begins
		lo, hi, n := a.offset-a.bound, time.Duration(1<<63-1), 0
		for _, b := range answers {
			if b.offset-b.bound <= lo && lo <= b.offset+b.bound {
				n++
				hi = min(hi, b.offset+b.bound)
			}
		}
		if n > most {
			most, low, high = n, lo, hi
		}
	}
	for _, a := range answers {
		if a.offset-a.bound <= low && low <= a.offset+a.bound {
			agree = append(agree, a)
		}
	}
	slices.SortFunc(agree, func(a, b answer) int {
		return cmp.Or(cmp.Compare(a.bound, b.bound), cmp.Compare(a.server, b.server))
	})
	if len(agree) == 0 {
		return 0, nil
	}
	return min(max(agree[0].offset, low), high), agree
}
