//go:build e2e

package readings

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// fault is something that a server, or what is between, does with a request
// instead of what it should. It returns false where the request is not of the
// kind that it is for.
type fault struct {
	name string
	slow bool // the writer waits long for it to be mended
	do   func(f *front, w http.ResponseWriter, r *http.Request, body []byte) bool
}

// answers is a fault that is an answer, of which nothing is stored.
func answers(code int, text string, header ...string) func(*front, http.ResponseWriter, *http.Request, []byte) bool {
	return func(_ *front, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprint(w, text)
		return true
	}
}

var faults = []fault{
	{"400 of nothing in particular", false, answers(400, `{"code":"invalid","message":"unable to parse"}`)},
	{"401", true, answers(401, `{"code":"unauthorized","message":"unauthorized access"}`)},
	{"403", true, answers(403, `{"code":"forbidden","message":"insufficient permissions for write"}`)},
	{"404", true, answers(404, `{"code":"not found","message":"bucket not found"}`)},
	{"413", false, answers(413, `{"code":"request too large","message":"too large"}`)},
	{"422 and one line is not stored", false, func(f *front, w http.ResponseWriter, r *http.Request, body []byte) bool {
		first, rest, _ := bytes.Cut(unpacked(r, body), []byte("\n"))
		if len(first) == 0 || len(rest) == 0 {
			return false
		}
		r.Header.Del("Content-Encoding")
		if status, _, _, ok := f.pass(r, rest); !ok || status != http.StatusNoContent {
			return false
		}
		return answers(422, `{"code":"unprocessable entity","message":"failure writing points to database: partial write: field type conflict dropped=1"}`)(f, w, r, nil)
	}},
	{"429 with Retry-After", false, answers(429, `{"code":"too many requests"}`, "Retry-After", "2")},
	{"500", false, answers(500, `{"code":"internal error","message":"unexpected EOF"}`)},
	{"502", false, answers(502, "<html>bad gateway</html>", "Content-Type", "text/html")},
	{"503 with Retry-After", false, answers(503, "", "Retry-After", "1")},
	{"504", false, answers(504, "gateway timeout")},
	{"408", false, answers(408, "")},
	{"a page for signing in", true, answers(200, "<html><title>welcome</title></html>", "Content-Type", "text/html")},
	{"a redirect", true, answers(307, "", "Location", "http://192.0.2.1/")},
	{"no answer in time", true, func(_ *front, _ http.ResponseWriter, r *http.Request, _ []byte) bool {
		<-r.Context().Done() // the writer has had enough
		return true
	}},
	{"the connection is reset", false, func(_ *front, w http.ResponseWriter, _ *http.Request, _ []byte) bool { reset(w); return true }},
	{"it is stored, and the answer is lost", false, func(f *front, w http.ResponseWriter, r *http.Request, body []byte) bool {
		f.pass(r, body)
		reset(w)
		return true
	}},
	{"it is stored, and the answer is cut off", false, func(f *front, w http.ResponseWriter, r *http.Request, body []byte) bool {
		f.pass(r, body)
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"cod")
			c.Close()
		}
		return true
	}},
	{"the answer is cut off in its first line", false, func(_ *front, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			fmt.Fprint(c, "HTTP/1.1 20")
			c.Close()
		}
		return true
	}},
}

// deck deals faults, each once, and then none.
type deck struct {
	mu    sync.Mutex
	cards []fault
	dealt []string
}

func (d *deck) deal(f *front, w http.ResponseWriter, r *http.Request, body []byte) bool {
	d.mu.Lock()
	if len(d.cards) == 0 || !strings.Contains(r.URL.Path, "write") {
		d.mu.Unlock()
		return false
	}
	card := d.cards[0]
	d.cards = d.cards[1:]
	d.mu.Unlock()
	done := card.do(f, w, r, body)
	d.mu.Lock()
	defer d.mu.Unlock()
	if done {
		d.dealt = append(d.dealt, card.name)
	} else {
		d.cards = append(d.cards, card) // later
	}
	return done
}

func (d *deck) left() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.cards)
}

// TestAnswersOfEveryKind has what is in front of real databases answer in every
// way, in random order: in the end all is there, once, and nothing is put aside.
// Each destination gets its share, of which one is waited for long.
func TestAnswersOfEveryKind(t *testing.T) {
	t.Parallel()
	second := influx1(t)
	second.name, second.as = "InfluxDB 1.8, the other", "four"
	third := influx2(t)
	third.name, third.as = "InfluxDB 2.7, the other", "five"
	h := newHouse(t, tempDir(t), influx1(t), influx2(t), victoria(t), second, third)
	decks := make([]*deck, len(h.dbs))
	for i := range decks {
		decks[i] = &deck{}
		f := h.fronts[i]
		f.setFault(func(w http.ResponseWriter, r *http.Request, body []byte) bool { return decks[i].deal(f, w, r, body) })
	}
	slow, quick := 0, 0
	for _, i := range rand.Perm(len(faults)) {
		n := &quick
		if faults[i].slow {
			n = &slow
		}
		to := decks[*n%len(decks)]
		to.cards = append(to.cards, faults[i])
		*n++
	}
	for i := range 5 {
		h.add(fmt.Sprint("d", i), 1)
	}
	h.start()
	wait := h.publish(1, 100*time.Millisecond)
	h.within(5*time.Minute, "every answer to be given", func() bool {
		for _, d := range decks {
			if d.left() > 0 {
				return false
			}
		}
		return true
	})
	wait()
	h.complete()
	for i, d := range decks {
		t.Logf("%s: %s", h.dbs[i].name, strings.Join(d.dealt, "; "))
	}
	if strings.Contains(h.metrics.said.String(), "put aside") {
		t.Errorf("a reading was put aside that could be stored:\n%s", h.writerSaid())
	}
}
