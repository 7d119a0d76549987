package journal

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var torture = flag.Int("torture", 10, "disks that TestEveryCut makes up for each time until a sync")

// model is a caller: a table of keys, and the number of the last change. Every
// record says which change it is, so that one that is missing, doubled or out of
// order is seen.
type model struct {
	n    uint64
	keys map[string]string
}

const (
	kindChange = 1
	kindNumber = 2
	kindKey    = 3
)

func newModel() *model { return &model{keys: map[string]string{}} }

// change is the record of the change n.
func change(n uint64) (key, value string) {
	rnd := rand.New(rand.NewPCG(n, 1))
	return fmt.Sprint("key", rnd.IntN(20)), strings.Repeat(fmt.Sprint(n, " "), 1+rnd.IntN(60))
}

// after is the model after n changes.
func after(n uint64) *model {
	m := newModel()
	for i := range n {
		k, v := change(i + 1)
		m.n, m.keys[k] = i+1, v
	}
	return m
}

func (m *model) load(kind byte, body []byte) error {
	switch kind {
	case kindNumber:
		_, err := fmt.Sscan(string(body), &m.n)
		return err
	case kindKey:
		k, v, _ := strings.Cut(string(body), "=")
		m.keys[k] = v
	case kindChange:
		var n uint64
		s, rest, _ := strings.Cut(string(body), ":")
		if _, err := fmt.Sscan(s, &n); err != nil {
			return err
		}
		if n != m.n+1 {
			return fmt.Errorf("change %d comes after %d", n, m.n)
		}
		k, v, _ := strings.Cut(rest, "=")
		m.n, m.keys[k] = n, v
	default:
		return fmt.Errorf("a record of kind %d", kind)
	}
	return nil
}

// house is a caller with its log.
type house struct {
	*model
	mu  sync.Mutex
	log *Log
}

func (h *house) change() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
	k, v := change(h.n)
	h.keys[k] = v
	h.log.Append(kindChange, fmt.Appendf(nil, "%d:%s=%s", h.n, k, v), false)
}

func (h *house) compact() error {
	return h.log.Compact(func(emit func(byte, []byte)) {
		h.mu.Lock()
		defer h.mu.Unlock()
		emit(kindNumber, fmt.Append(nil, h.n))
		for k, v := range h.keys {
			emit(kindKey, []byte(k+"="+v))
		}
	})
}

var small = Options{Segment: 24 << 10}

func openHouse(d *disk) (*house, Report, error) {
	h := &house{model: newModel()}
	o := small
	o.FS = d
	var r Report
	var err error
	if h.log, r, err = Open("", o, h.load); err != nil {
		return nil, r, err
	}
	base := h.n
	h.log.Notify(func(s Seq) { d.mark(base + uint64(s)) })
	return h, r, nil
}

// live is some of a house's life; errors are the disk's.
func (h *house) live(rnd *rand.Rand, steps int) {
	for range steps {
		for range 1 + rnd.IntN(1<<rnd.IntN(6)) {
			h.change()
		}
		_ = h.log.Flush()
		if h.log.WantsCompaction() {
			done := make(chan error, 1)
			go func() { done <- h.compact() }()
			for range rnd.IntN(4) {
				h.change()
				if rnd.IntN(2) == 0 {
					_ = h.log.Flush()
				}
			}
			<-done
		}
	}
}

// look opens what a cut has left, and says what is wrong with it.
func look(d *disk, mark uint64) (n uint64, err error) {
	m := newModel()
	o := small
	o.FS = d
	l, r, err := Open("", o, m.load)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	switch {
	case m.n < mark:
		return m.n, fmt.Errorf("%d changes are there, %d were on the disk", m.n, mark)
	case r.LostRecords > 0:
		return m.n, fmt.Errorf("it reports a loss: %+v", r)
	}
	if diff := cmp.Diff(after(m.n).keys, m.keys); diff != "" {
		return m.n, fmt.Errorf("after %d changes (-want +got):\n%s", m.n, diff)
	}
	return m.n, nil
}

// TestEveryCut cuts the power at every write of a log's life, with the writes
// since the last sync torn and in any order: what was on the disk according to
// the log is there, in order, and nothing between that was lost. Some of the
// disks live on and are cut again.
func TestEveryCut(t *testing.T) {
	seed := uint64(1)
	if *torture > 100 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	d := newDisk()
	h, _, err := openHouse(d)
	if err != nil {
		t.Fatal(err)
	}
	h.live(rnd, 60)
	if err := h.log.Close(); err != nil {
		t.Fatal(err)
	}
	compactions := h.log.Stats().Compactions

	checks, lives, bad := 0, 0, 0
	var check func(d *disk, mark uint64, depth int)
	check = func(d *disk, mark uint64, depth int) {
		checks++
		again := d.clone()
		if _, err := look(d, mark); err != nil {
			if bad++; bad < 5 {
				t.Errorf("state %d, depth %d: %v", checks, depth, err)
			}
			return
		}
		if depth > 1 || rnd.IntN(100) > 0 {
			return
		}
		lives++
		sure := again.clone()
		h, _, err := openHouse(again)
		if err != nil {
			t.Errorf("state %d: %v", checks, err)
			return
		}
		again.mark(h.n)
		h.live(rnd, 3)
		if err := h.log.Close(); err != nil {
			t.Errorf("state %d, living on: %v", checks, err)
		}
		r := replay{sure: sure, rnd: rnd, samples: 3, mark: mark, check: func(d *disk, m uint64) { check(d, m, depth+1) }}
		r.run(again.log)
	}
	r := replay{sure: newDisk(), rnd: rnd, samples: *torture, check: func(d *disk, m uint64) { check(d, m, 0) }}
	r.run(d.log)
	t.Logf("%d changes, %d states of the disk, %d lives on such, %d compactions, %d wrong", h.n, checks, lives, compactions, bad)
	if checks < 2000 || lives < 10 || compactions < 3 {
		t.Errorf("only %d states, %d lives, %d compactions were checked", checks, lives, compactions)
	}
}

// TestTheCutsCanFail shows that TestEveryCut sees a disk that is told to sync and
// does not.
func TestTheCutsCanFail(t *testing.T) {
	d := newDisk()
	d.lie = true
	h, _, err := openHouse(d)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 0))
	h.live(rnd, 10)
	h.log.Close()
	bad := 0
	r := replay{sure: newDisk(), rnd: rnd, samples: 5, check: func(d *disk, m uint64) {
		if _, err := look(d, m); err != nil {
			bad++
		}
	}}
	r.run(d.log)
	if bad == 0 {
		t.Error("nothing was seen")
	}
}

// TestADiskThatRefuses lets writes and syncs fail now and then: in the end, when
// the disk takes everything again, all is on it; and what was said to be on it
// before was.
func TestADiskThatRefuses(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		d := newDisk()
		h, _, err := openHouse(d)
		if err != nil {
			t.Fatal(err)
		}
		broken := true
		frnd := rand.New(rand.NewPCG(seed, 4))
		d.fail = func(op, name string, size int64) error {
			if broken && op != "remove" && frnd.IntN(6) == 0 {
				return []error{syscall.EIO, syscall.ENOSPC}[frnd.IntN(2)]
			}
			return nil
		}
		h.live(rnd, 30)
		d.mu.Lock()
		broken = false
		d.mu.Unlock()
		for range 3 {
			if err = h.log.Flush(); err == nil {
				break
			}
		}
		if err != nil {
			t.Fatalf("seed %d: the disk takes everything, and yet: %v", seed, err)
		}
		if err := errors.Join(h.log.Err(), h.log.Close()); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if n, err := look(d.clone(), h.n); err != nil || n != h.n {
			t.Fatalf("seed %d: %d of %d changes: %v", seed, n, h.n, err)
		}
		r := replay{sure: newDisk(), rnd: rnd, samples: 2, check: func(d *disk, m uint64) {
			if _, err := look(d, m); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}}
		r.run(d.log)
	}
}
