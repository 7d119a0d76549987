package front

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Verdict is how Home Assistant takes what is passed on to it.
type Verdict string

// The verdicts.
const (
	Unknown   Verdict = ""          // it was not asked yet
	Well      Verdict = "ok"        // it answers
	Away      Verdict = "away"      // it does not answer
	Untrusted Verdict = "untrusted" // it refuses who is not in its trusted_proxies
	Strange   Verdict = "strange"   // something else answers there
)

// State is what is known of Home Assistant.
type State struct {
	Verdict Verdict
	Since   time.Time
	// Own is this machine's address as Home Assistant sees it; zero: not known.
	Own netip.Addr
	// Detail is for a person who looks closer; it may name addresses.
	Detail string
}

const (
	lookEvery = 30 * time.Second
	lookTime  = 10 * time.Second
	lookSoon  = 2 * time.Second // at least that long between two looks
)

type watch struct {
	soon chan struct{}

	mu    sync.Mutex
	state State
}

func (w *watch) init() { w.soon = make(chan struct{}, 1) }

// State is what is known of Home Assistant now.
func (f *Front) State() State {
	f.watch.mu.Lock()
	defer f.watch.mu.Unlock()
	s := f.watch.state
	s.Own = f.upstream.ownAddress()
	return s
}

// away has a look taken soon: a request found nobody there.
func (w *watch) away(error) { w.look() }

func (w *watch) look() {
	select {
	case w.soon <- struct{}{}:
	default:
	}
}

// refused says whether an answer of status 400 means that this machine is not
// trusted; where that is not known, it is looked into.
func (w *watch) refused() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state.Verdict == Untrusted {
		return true
	}
	w.look()
	return false
}

func (w *watch) set(v Verdict, detail string) (changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if changed = w.state.Verdict != v; changed {
		w.state.Since = time.Now()
	}
	w.state.Verdict, w.state.Detail = v, detail
	return changed
}

// watchHome asks Home Assistant every so often, and at once when a request found
// something wrong.
func (f *Front) watchHome(ctx context.Context) {
	for {
		v, detail := f.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		if f.watch.set(v, detail) {
			if v == Well {
				f.o.Log.Info("Home Assistant answers", "url", f.o.To.Redacted())
			} else {
				f.o.Log.Warn("Home Assistant: "+string(v), "url", f.o.To.Redacted(), "detail", detail)
			}
		}
		every := lookEvery
		if v != Well {
			every = lookEvery / 6
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookSoon):
		}
		select {
		case <-ctx.Done():
			return
		case <-f.watch.soon:
		case <-time.After(every):
		}
	}
}

// ask finds out how Home Assistant takes a request that was passed on: one that
// is refused as it is, and taken without a word about where it came from, was
// refused for that.
func (f *Front) ask(ctx context.Context) (Verdict, string) {
	with, _, err := f.askOnce(ctx, true)
	if err != nil {
		return Away, plainError(err)
	}
	if with != http.StatusBadRequest {
		if with == http.StatusOK {
			return Well, ""
		}
		return Strange, "it answers " + http.StatusText(with) + " to /manifest.json: is this Home Assistant's address?"
	}
	without, _, err := f.askOnce(ctx, false)
	if err != nil {
		return Away, plainError(err)
	}
	if without == http.StatusBadRequest {
		return Strange, "it answers Bad Request to everything: is this Home Assistant's address, and http or https as it wants?"
	}
	return Untrusted, "it answers Bad Request to what is passed on, because this appliance is not in its trusted_proxies"
}

// askOnce asks for a small file that Home Assistant gives to everybody.
func (f *Front) askOnce(ctx context.Context, forwarded bool) (status int, server string, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	u, err := f.upstream.open(ctx)
	if err != nil {
		return 0, "", err
	}
	defer u.Close()
	stop := context.AfterFunc(ctx, func() { u.Close() })
	defer stop()
	from := ""
	if forwarded {
		from = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"
	}
	_, err = io.WriteString(u, "GET /manifest.json HTTP/1.1\r\nHost: "+f.o.To.Host+"\r\n"+from+"Connection: close\r\n\r\n")
	if err != nil {
		return 0, "", err
	}
	res, err := http.ReadResponse(bufio.NewReader(u), nil)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	return res.StatusCode, res.Header.Get("Server"), nil
}

// plainError is the innermost reason, for a person.
func plainError(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		err = op.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return strings.TrimPrefix(err.Error(), "connect: ")
}
