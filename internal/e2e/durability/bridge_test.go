//go:build e2e

package durability

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestABridgeOverKills: messages of QoS 2 go from a house to another broker while
// the house's is killed again and again. Each that was acknowledged to its
// publisher is there once, and all in order.
func TestABridgeOverKills(t *testing.T) {
	t.Parallel()
	const messages, kills = 1200, 5
	cloud := start(t, tempDir(t))
	dir := tempDir(t)
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("secrets/fleet", cloud.password("home"))
	write("hems.yaml", fmt.Sprintf(`
mqtt:
  bridges:
    - connection: fleet
      addresses: ["127.0.0.1:%d"]
      topics: ['m/# out 2 "" homes/7/']
      remote_username: home
      remote_password: fleet
`, cloud.base+4))
	var mu sync.Mutex
	var got []string
	ears := cloud.connect(hello{id: "ears", clean: true})
	if err := ears.subscribe("homes/7/#", 2); err != nil {
		t.Fatal(err)
	}
	ears.SetDeadline(time.Now().Add(5 * time.Minute))
	go func() {
		for {
			p, err := ears.read()
			if err != nil {
				return
			}
			switch p.kind {
			case tPublish:
				mu.Lock()
				got = append(got, p.topic+"="+string(p.body))
				mu.Unlock()
				_ = ears.answer(tPubrec, p.id)
			case tPubrel:
				_ = ears.answer(tPubcomp, p.id)
			}
		}
	}()
	heard := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(got)
	}

	home := start(t, dir)
	// What is said before the bridge has its session waits for nobody.
	for end := time.Now().Add(patience); !strings.Contains(home.said.String(), "the bridge is up"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the bridge does not come up:\n%s", tail(home.said.String()))
		}
	}
	p := &mouth{state: map[uint16]byte{}}
	var want []string
	n := 0
	for killed := 0; killed < kills || n < messages || len(p.state) > 0; {
		w := home.connect(hello{id: "mouth"})
		dies := killed < kills
		if dies {
			killed++
			go func(b *program) {
				time.Sleep(time.Duration(20+rand.IntN(400)) * time.Millisecond)
				b.end(syscall.SIGKILL)
			}(home)
		}
		n = p.publish(w, n, min(messages, messages/(kills+1)*(killed+1)))
		if dies {
			<-home.done
			home = start(t, dir)
		}
		w.Close()
	}
	for n := range messages {
		want = append(want, fmt.Sprint("homes/7/m/x=", n))
	}
	for end := time.Now().Add(patience); heard() < messages && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
	}
	time.Sleep(time.Second) // for what comes twice
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("at the other broker (-want +got):\n%s\n%s", diff, tail(home.said.String()))
	}
	if s := home.said.String(); !strings.Contains(s, "the bridge is up") {
		t.Errorf("no word of the bridge:\n%s", tail(s))
	}
}

// mouth sends messages of QoS 2 exactly once: what it has not heard of is
// sent again as the same message.
type mouth struct {
	state map[uint16]byte // by packet id: the packet it waits for
	sent  map[uint16]string
}

// publish goes on at message n and returns the one after the last that was sent,
// when the connection ends or all are acknowledged.
func (p *mouth) publish(w *wire, n, all int) int {
	w.SetDeadline(time.Now().Add(patience))
	if p.sent == nil {
		p.sent = map[uint16]string{}
	}
	for id := 1; id <= n; id++ { // again, in order
		var err error
		switch p.state[uint16(id)] {
		case tPubrec:
			err = w.publish("m/x", p.sent[uint16(id)], 2, false, true, uint16(id))
		case tPubcomp:
			err = w.answer(tPubrel, uint16(id))
		}
		if err != nil {
			return n
		}
	}
	for {
		for len(p.state) < 50 && n < all {
			n++
			id := uint16(n)
			p.state[id], p.sent[id] = tPubrec, fmt.Sprint(n-1)
			if w.publish("m/x", p.sent[id], 2, false, false, id) != nil {
				return n
			}
		}
		if len(p.state) == 0 {
			return n
		}
		a, err := w.read()
		if err != nil {
			return n
		}
		switch a.kind {
		case tPubrec:
			p.state[a.id] = tPubcomp
			if w.answer(tPubrel, a.id) != nil {
				return n
			}
		case tPubcomp:
			delete(p.state, a.id)
		}
	}
}
