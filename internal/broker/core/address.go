package core

import (
	"net"
	"sync"
	"time"
)

// addresses counts connections and failed sign-ins, by the address they come from.
type addresses struct {
	mu      sync.Mutex
	all     int // connections
	unknown int // of them, that have not signed in
	by      map[string]*address
}

type address struct {
	conns  int
	failed int // sign-ins, since since
	since  time.Time
}

// maxUnknown is how many connections of the network may be there that have not
// signed in.
const maxUnknown = 64

func remoteOf(c net.Conn) string {
	if a := c.RemoteAddr(); a != nil {
		return a.String()
	}
	return ""
}

func hostOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}

// arrive counts a connection, or says why it is turned away.
func (s *Server) arrive(c *conn) (why string) {
	s.counts.sockets.Add(1)
	a := &s.addr
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.address != "" {
		if a.all >= s.lim.MaxConnections {
			return "too many connections"
		}
		if a.unknown >= maxUnknown {
			return "too many connections that have not signed in"
		}
		by := a.of(c.address)
		if by.conns >= s.lim.MaxConnectionsPerAddr && !loopback(c.address) {
			return "too many connections from this address"
		}
		if by.failed >= s.lim.MaxFailedSignIns {
			if time.Since(by.since) < time.Minute {
				return "too many failed sign-ins from this address"
			}
			by.failed = 0
		}
		by.conns++
		a.all++
		a.unknown++
		c.stranger = true
	}
	return ""
}

func (a *addresses) of(host string) *address {
	if a.by == nil {
		a.by = map[string]*address{}
	}
	by := a.by[host]
	if by == nil {
		if len(a.by) > 4096 { // strangers must not fill the table
			for h, other := range a.by {
				if other.conns == 0 {
					delete(a.by, h)
				}
			}
		}
		by = &address{}
		a.by[host] = by
	}
	return by
}

func loopback(host string) bool { return net.ParseIP(host).IsLoopback() }

// knows says that a connection has signed in.
func (s *Server) knows(c *conn) {
	s.addr.mu.Lock()
	defer s.addr.mu.Unlock()
	if c.stranger {
		c.stranger = false
		s.addr.unknown--
	}
}

// depart takes a connection off the counts.
func (s *Server) depart(c *conn) {
	s.knows(c)
	if c.address == "" {
		return
	}
	a := &s.addr
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all--
	by := a.of(c.address)
	by.conns--
	if by.conns <= 0 && by.failed == 0 {
		delete(a.by, c.address)
	}
}

// failed counts a failed sign-in.
func (a *addresses) failed(host string) {
	if host == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	by := a.of(host)
	if time.Since(by.since) > time.Minute {
		by.failed, by.since = 0, time.Now()
	}
	by.failed++
}
