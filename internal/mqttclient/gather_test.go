package mqttclient

import (
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestGathererReads: what comes in pieces is read together, what comes on a quiet
// line at once, and more than a read holds without a pause.
func TestGathererReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type read struct {
			At   time.Duration
			Text string
		}
		line := &pieces{}
		g := &gatherer{from: line, wait: 20 * time.Millisecond}
		begin := time.Now()
		go func() {
			line.add("a") // quiet
			time.Sleep(5 * time.Millisecond)
			line.add("b")
			time.Sleep(5 * time.Millisecond)
			line.add("c") // gathered with b
			time.Sleep(90 * time.Millisecond)
			line.add("0123456789") // quiet, and more than a read
			time.Sleep(time.Millisecond)
			line.end()
		}()
		var got []read
		for {
			p := make([]byte, 4)
			n, err := g.Read(p)
			if n > 0 {
				got = append(got, read{time.Since(begin).Truncate(time.Millisecond), string(p[:n])})
			}
			if err != nil {
				break
			}
		}
		ms := time.Millisecond
		want := []read{{0, "a"}, {20 * ms, "bc"}, {100 * ms, "0123"}, {100 * ms, "4567"}, {100 * ms, "89"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("reads (-want +got):\n%s", diff)
		}
	})
}

// pieces is a line that gives all that it has to a read.
type pieces struct {
	mu    sync.Mutex
	text  []byte
	ended bool
}

func (p *pieces) add(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = append(p.text, s...)
}

func (p *pieces) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
}

func (p *pieces) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.text) == 0 {
		if p.ended {
			return 0, io.EOF
		}
		p.mu.Unlock()
		time.Sleep(time.Microsecond)
		p.mu.Lock()
	}
	n := copy(b, p.text)
	p.text = p.text[n:]
	return n, nil
}
