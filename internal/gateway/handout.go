package gateway

import (
	"crypto/rand"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/pki"
)

const (
	handoutTime = 15 * time.Minute
	maxHandouts = 16
)

// Handouts are the keys and certificates that wait for their phones, encrypted and
// in memory alone. They outlive a run of the gateway. The zero value is empty.
type Handouts struct {
	mu sync.Mutex
	by map[string]*handout // by the secret of the link
}

// handout is one phone's.
type handout struct {
	name    string
	parcels map[pki.Form][]byte // what was not fetched yet
	until   time.Time
	fetched bool // in some form
	over    *time.Timer
}

// give keeps parcels for a phone until they are fetched or that time is over, and
// returns the secret of their link; empty: there are too many. unused is called
// when the time is over and nobody has fetched any.
func (h *Handouts) give(name string, parcels map[pki.Form][]byte, now time.Time, unused func()) (link string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sweep(now)
	if len(h.by) >= maxHandouts {
		return ""
	}
	b := make([]byte, 16)
	rand.Read(b)
	link = base64.RawURLEncoding.EncodeToString(b)
	if h.by == nil {
		h.by = map[string]*handout{}
	}
	one := &handout{name: name, parcels: parcels, until: now.Add(handoutTime)}
	one.over = time.AfterFunc(handoutTime, func() {
		h.mu.Lock()
		fetched := one.fetched
		clear(one.parcels)
		delete(h.by, link)
		h.mu.Unlock()
		if !fetched {
			unused()
		}
	})
	h.by[link] = one
	return link
}

// sweep drops what a clock says is over. h.mu is held.
func (h *Handouts) sweep(now time.Time) {
	for link, one := range h.by {
		if !now.Before(one.until) {
			clear(one.parcels)
			delete(h.by, link) // its timer has the rest
		}
	}
}

// look says for whom a link is, and in which forms it can be fetched still.
func (h *Handouts) look(link string, now time.Time) (name string, forms []pki.Form, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sweep(now)
	one := h.by[link]
	if one == nil {
		return "", nil, false
	}
	return one.name, slices.Collect(maps.Keys(one.parcels)), true
}

// take fetches a parcel, once.
func (h *Handouts) take(link string, form pki.Form, now time.Time) (name string, parcel []byte, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sweep(now)
	one := h.by[link]
	if one == nil || one.parcels[form] == nil {
		return "", nil, false
	}
	parcel = one.parcels[form]
	delete(one.parcels, form)
	one.fetched = true
	return one.name, parcel, true
}

// forget drops what waits for a phone of that name.
func (h *Handouts) forget(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for link, one := range h.by {
		if one.name == name {
			clear(one.parcels)
			one.fetched = true // nothing is to be revoked any more
			delete(h.by, link)
		}
	}
}

// letters of passwords that are typed on a phone: none looks like another.
const letters = "abcdefghijkmnpqrstuvwxyz23456789"

// parcelPassword is 80 bits, in groups of four.
func parcelPassword() string {
	b := make([]byte, 16)
	rand.Read(b)
	var s strings.Builder
	for i, c := range b {
		if i > 0 && i%4 == 0 {
			s.WriteByte('-')
		}
		s.WriteByte(letters[int(c)%len(letters)])
	}
	return s.String()
}
