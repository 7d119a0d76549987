package gateway

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// openings are the doors on the home's network, and how each is.
type openings struct {
	mu  sync.Mutex
	all []*opening
}

type opening struct {
	of    *openings
	known bool
	err   error // nil: it is open
	since time.Time
}

// add is for a door that is about to be opened for the first time; nil for one of
// another way in, which has a reporter.
func (o *openings) add(d remote.Door) *opening {
	if d.Way != remote.LAN {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	one := &opening{of: o}
	o.all = append(o.all, one)
	return one
}

// note says that the door is open (nil), or why it could not be opened.
func (o *opening) note(now time.Time, err error) {
	if o == nil {
		return
	}
	o.of.mu.Lock()
	defer o.of.mu.Unlock()
	if !o.known || (o.err == nil) != (err == nil) {
		o.known, o.err, o.since = true, err, now
	}
}

// state is that of all of them: since when they are open, or what keeps one shut.
func (o *openings) state() (state remote.State, since time.Time, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	state = remote.Starting
	for _, one := range o.all {
		switch {
		case !one.known:
		case one.err != nil:
			if state != remote.Down || one.since.Before(since) {
				since, err = one.since, one.err
			}
			state = remote.Down
		case state != remote.Down:
			state = remote.Up
			if one.since.After(since) {
				since = one.since
			}
		}
	}
	return state, since, err
}

// ways is how all ways in are, in the order of remote.Ways.
func (g *Gateway) ways(r *http.Request) []remote.Status {
	var all []remote.Status
	for _, w := range remote.Ways {
		if w == remote.LAN {
			all = append(all, g.lanStatus(r))
			continue
		}
		s := remote.Status{Way: w, State: remote.Off}
		for _, reporter := range g.o.Reporters {
			if told := reporter.Status(); told.Way == w {
				s = told
			}
		}
		all = append(all, s)
	}
	return all
}

// shutWay is one of the other ways in that is down or waits for a person; nil: none
// is.
func (g *Gateway) shutWay() *remote.Status {
	for _, reporter := range g.o.Reporters {
		if s := reporter.Status(); s.State == remote.Down || s.State == remote.NeedsYou {
			return &s
		}
	}
	return nil
}

// lanStatus is that of the home's own network.
func (g *Gateway) lanStatus(r *http.Request) remote.Status {
	s := remote.Status{Way: remote.LAN}
	var err error
	s.State, s.Since, err = g.openings.state()
	switch s.State {
	case remote.Down:
		s.Detail = "Part of it cannot be reached: " + errText(err) + "."
		s.Action = "Look at the logs; it is tried again every few seconds."
	case remote.Up:
		s.Detail = "Everything in your home’s network can reach the sign-in page."
		s.Links = g.lanLinks(r)
	}
	return s
}

func errText(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// lanLinks are the dashboard's addresses on the home's network: by the name that
// the visitor used there, or by the appliance's own.
func (g *Gateway) lanLinks(r *http.Request) (links []string) {
	at := r
	if remote.Of(r.Context()).Way != remote.LAN {
		if g.o.HostName == "" {
			return nil
		}
		at = &http.Request{Host: g.o.HostName + ".local"}
	}
	for _, secure := range []bool{true, false} {
		if to := g.origin(at, secure); to != "" {
			links = append(links, to+"/")
		}
	}
	return links
}

// apiWays is the answer of the JSON interface.
func (g *Gateway) apiWays(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, r, map[string]any{"ways": g.ways(r)})
}

// waysWord is how many of them are up, as it stands beside the way to the page.
func (g *Gateway) waysWord(r *http.Request) string {
	all := g.ways(r)
	n := len(slices.DeleteFunc(slices.Clone(all), func(s remote.Status) bool { return s.State != remote.Up }))
	return strconv.Itoa(n) + " of " + strconv.Itoa(len(all))
}
