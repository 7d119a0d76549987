package gokproto

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// partFile is the body that is being received.
const partFile = "part"

const (
	// idle is how long gok may send nothing.
	idle = time.Minute
	// abandoned is how long an update belongs to the address it came from.
	abandoned = 2 * time.Minute
	// overrun is how much of a body that is too large is read, in bytes, so that
	// gok reads the answer instead of failing to write.
	overrun = 64 << 20
)

// receive keeps a file system. A root begins an update: what was received before
// is forgotten.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request, what string, limit int64) {
	if !h.busy.TryLock() {
		h.drain(w, r)
		answer(w, http.StatusConflict, errBusy)
		return
	}
	defer h.busy.Unlock()
	if !h.claim(r, what == "root") {
		h.drain(w, r)
		answer(w, http.StatusConflict, errBusy)
		return
	}
	if what == "root" {
		h.discard()
	}
	began := h.o.Now()
	size, sum, err := h.keep(w, r, what, limit)
	log := h.o.Log.With("what", what, "from", r.RemoteAddr)
	switch {
	case errors.Is(err, errTooLarge):
		log.Warn("gok sent too much", "limit", limit)
		answer(w, http.StatusRequestEntityTooLarge, errTooLarge.With("more than %d MiB", limit>>20))
		return
	case errors.Is(err, errInterrupted):
		log.Warn("a transfer from gok was interrupted", "received", size, "err", err)
		answer(w, http.StatusBadRequest, errInterrupted)
		return
	case err != nil:
		log.Error("keeping what gok sent", "received", size, "err", err)
		answer(w, http.StatusInsufficientStorage, errStorage)
		return
	}
	h.mu.Lock()
	h.staged[what] = true
	h.last = h.o.Now()
	h.mu.Unlock()
	log.Info("received from gok", "bytes", size, "took", h.o.Now().Sub(began).Round(time.Millisecond))
	fmt.Fprintf(w, "%x", sum)
}

// claim says whether an update is r's to send: a mixture of two people's would
// be neither.
func (h *Handler) claim(r *http.Request, begins bool) bool {
	from := visitorOf(r).String()
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.o.Now()
	others := h.from != "" && h.from != from
	if others && (!begins || now.Sub(h.last).Abs() < abandoned) {
		return false
	}
	h.from, h.last = from, now
	return true
}

// keep writes the body to its file and returns its size and hash.
func (h *Handler) keep(w http.ResponseWriter, r *http.Request, what string, limit int64) (int64, []byte, error) {
	h.mu.Lock()
	delete(h.staged, what)
	h.mu.Unlock()
	part := filepath.Join(h.o.Dir, partFile)
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		h.drain(w, r)
		return 0, nil, err
	}
	defer os.Remove(part) // gone already when all went well
	defer f.Close()
	sum := hashFor(r)
	body := &patient{r: r.Body, rc: http.NewResponseController(w)}
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(body, limit+1))
	switch {
	case body.err != nil:
		return n, nil, errInterrupted.With("%w", body.err)
	case err != nil:
		h.drain(w, r)
		return n, nil, err
	case n > limit:
		h.drain(w, r)
		return n, nil, errTooLarge
	}
	if err := f.Close(); err != nil {
		return n, nil, err
	}
	return n, sum.Sum(nil), os.Rename(part, filepath.Join(h.o.Dir, what+".img"))
}

// hashFor is the hash that gok asks for.
func hashFor(r *http.Request) hash.Hash {
	if r.Header.Get("X-Gokrazy-Update-Hash") == "crc32" {
		return crc32.NewIEEE()
	}
	return sha256.New()
}

// passOver reads what is not part of a system here, the MBR and files of other
// boards, and says so in the way that gok tolerates.
func (h *Handler) passOver(w http.ResponseWriter, r *http.Request) {
	h.drain(w, r)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, "<!DOCTYPE html>\n<title>not needed</title>\n")
}

// drain reads a body that is not kept.
func (h *Handler) drain(w http.ResponseWriter, r *http.Request) {
	io.CopyN(io.Discard, &patient{r: r.Body, rc: http.NewResponseController(w)}, overrun)
}

// patient reads a body for as long as something comes.
type patient struct {
	r   io.Reader
	rc  *http.ResponseController
	err error // what ended it early
}

func (p *patient) Read(b []byte) (int, error) {
	p.rc.SetReadDeadline(time.Now().Add(idle)) // a server that cannot has its own
	n, err := p.r.Read(b)
	if err != nil && err != io.EOF {
		p.err = err
	}
	return n, err
}
