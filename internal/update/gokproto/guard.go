package gokproto

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// guard lets in who knows the password, while updates are allowed.
func (h *Handler) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch h.admit(r) {
		case http.StatusUnauthorized:
			w.Header().Set("WWW-Authenticate", `Basic realm="hems update", charset="UTF-8"`)
			answer(w, http.StatusUnauthorized, errSignIn)
			return
		case http.StatusTooManyRequests:
			w.Header().Set("Retry-After", "60")
			answer(w, http.StatusTooManyRequests, errTooMany)
			return
		}
		if err := h.o.Allowed(); err != nil {
			answer(w, http.StatusForbidden, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// admit judges the password and returns the status of the answer.
func (h *Handler) admit(r *http.Request) int {
	visitor := visitorOf(r)
	if !h.guesses.take(visitor) {
		return http.StatusTooManyRequests
	}
	user, password, _ := r.BasicAuth()
	want, err := h.o.Password()
	if err != nil {
		h.o.Log.Warn("reading the update password", "err", err)
	}
	// Over hashes, so that the time says nothing about the length either.
	same := subtle.ConstantTimeCompare(hashOf(user), hashOf(User)) & subtle.ConstantTimeCompare(hashOf(password), hashOf(want))
	if same != 1 || err != nil || want == "" {
		return http.StatusUnauthorized
	}
	h.guesses.giveBack(visitor)
	return http.StatusOK
}

func hashOf(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

// visitorOf is what counts as one: an IPv4 address or an IPv6 /64, since one
// machine has as many addresses in it as it likes.
func visitorOf(r *http.Request) netip.Prefix {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{} // all that have no address are one
	}
	addr := ap.Addr().Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(addr, bits).Masked()
}

// Wrong passwords that are judged in a window of time, from one visitor and from
// all. No more visitors are remembered than may guess.
const (
	window       = time.Minute
	guessesOfOne = 10
	guessesOfAll = 60
)

// guesses counts the wrong passwords of the window.
type guesses struct {
	now func() time.Time

	mu    sync.Mutex
	began time.Time
	all   int
	of    map[netip.Prefix]int
}

// take counts an attempt, or says that there were too many.
func (g *guesses) take(visitor netip.Prefix) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.now(); g.of == nil || now.Sub(g.began) >= window || now.Before(g.began) {
		g.began, g.all, g.of = now, 0, map[netip.Prefix]int{}
	}
	if g.all >= guessesOfAll || g.of[visitor] >= guessesOfOne {
		return false
	}
	g.all++
	g.of[visitor]++
	return true
}

// giveBack takes back an attempt that was right.
func (g *guesses) giveBack(visitor netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of[visitor] > 0 { // not of a window that is over
		g.of[visitor]--
		g.all--
	}
}
