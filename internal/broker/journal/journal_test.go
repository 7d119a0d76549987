package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// kept opens a log in dir and returns what is in it.
func kept(t testing.TB, dir string, o Options) (*Log, []string) {
	t.Helper()
	var got []string
	l, _, err := Open(dir, o, func(kind byte, body []byte) error {
		got = append(got, fmt.Sprintf("%d %s", kind, body))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, got
}

func TestRecordsComeBackInOrder(t *testing.T) {
	dir := t.TempDir()
	l, got := kept(t, dir, Options{})
	if len(got) > 0 {
		t.Fatalf("a new log has %q", got)
	}
	for i := range 3 {
		if s := l.Append(byte(i), []byte{'a' + byte(i)}, i == 1); s != Seq(i+1) {
			t.Errorf("record %d has number %d", i, s)
		}
	}
	l.Append(3, nil, false)
	if err := l.Flush(); err != nil || l.Durable() != 4 {
		t.Fatalf("%d records are on the disk, %v", l.Durable(), err)
	}
	l.Append(4, []byte("last"), true)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, got = kept(t, dir, Options{})
	want := []string{"0 a", "1 b", "2 c", "3 ", "4 last"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
	err := l.Compact(func(emit func(byte, []byte)) { emit(9, []byte("all")) })
	if err != nil {
		t.Fatal(err)
	}
	l.Append(5, []byte("after"), false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, got = kept(t, dir, Options{})
	if diff := cmp.Diff([]string{"9 all", "5 after"}, got); diff != "" {
		t.Errorf("after a compaction (-want +got):\n%s", diff)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	kept(t, dir, Options{})
	if _, _, err := Open(dir, Options{}, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("a second opening ended with %v", err)
	}
}

func TestAStateThatMovesIsRefused(t *testing.T) {
	dir := t.TempDir()
	l, _ := kept(t, dir, Options{})
	l.Append(1, []byte("a"), false)
	err := l.Compact(func(emit func(byte, []byte)) {
		emit(1, []byte("a"))
		l.Append(1, []byte("b"), false)
		emit(1, []byte("c"))
	})
	if !errors.Is(err, ErrAppended) {
		t.Errorf("it ended with %v", err)
	}
	l.Close()
	_, got := kept(t, dir, Options{})
	if diff := cmp.Diff([]string{"1 a", "1 b"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPace lets records come in several ways for some time, and looks how long
// they wait for the disk and how many flushes it takes.
func TestPace(t *testing.T) {
	steady := func(gap time.Duration) func(l *Log) {
		return func(l *Log) {
			for range int(time.Minute / gap) {
				l.Append(1, make([]byte, 250), false)
				time.Sleep(gap)
			}
		}
	}
	inTurn := func(n int) func(l *Log) {
		return func(l *Log) {
			done := make(chan Seq, 1)
			l.Notify(func(s Seq) { done <- s })
			for range n {
				l.Append(1, make([]byte, 100), false)
				<-done
				time.Sleep(time.Millisecond)
			}
		}
	}
	devices := func(seed uint64) func(l *Log) { // 50, each every ten seconds
		rnd := rand.New(rand.NewPCG(seed, 0))
		var at []time.Duration
		for range 50 {
			for t := time.Duration(rnd.Int64N(int64(10 * time.Second))); t < time.Minute; t += 10 * time.Second {
				at = append(at, t)
			}
		}
		slices.Sort(at)
		return func(l *Log) {
			start := time.Now()
			for _, t := range at {
				time.Sleep(time.Until(start.Add(t)))
				l.Append(1, make([]byte, 250), false)
			}
		}
	}
	for _, c := range []struct {
		name        string
		o           Options
		live        func(l *Log)
		least, most uint64 // flushes
		longest     time.Duration
	}{
		{"after a quiet second at once", Options{}, steady(1100 * time.Millisecond), 54, 54, 0},
		{"five a second: every two seconds", Options{}, steady(200 * time.Millisecond), 30, 45, time.Minute + 3*time.Second},
		{"fifty devices", Options{}, devices(1), 27, 40, 0},
		{"fifty others", Options{}, devices(2), 27, 40, 0},
		{"five a second, half a second at most", Options{MaxWait: time.Second / 2}, steady(200 * time.Millisecond), 100, 130, 0},
		{"every record by itself", Options{MaxWait: -1}, steady(200 * time.Millisecond), 300, 300, 0},
		{"a sender that waits for each is not held up", Options{}, inTurn(1000), 1000, 1000, 10 * time.Second},
		{"nor after a pause", Options{}, func(l *Log) {
			for range 5 {
				inTurn(17)(l)
				time.Sleep(3 * time.Second)
			}
		}, 40, 85, 5*3*time.Second + 2*time.Second},
		{"lazy ones within a minute", Options{}, func(l *Log) {
			for range 100 {
				l.Append(1, make([]byte, 250), true)
				time.Sleep(time.Second)
			}
		}, 1, 2, 0},
		{"lazy ones go with others", Options{}, func(l *Log) {
			l.Append(1, nil, true)
			l.Append(1, nil, false)
			time.Sleep(2 * settle)
			if l.Durable() != 2 {
				t.Errorf("%d are on the disk", l.Durable())
			}
		}, 1, 1, 0},
		{"nothing costs nothing", Options{}, func(l *Log) { time.Sleep(time.Hour) }, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.o.FS = newDisk()
				l, _ := kept(t, "", c.o)
				start := time.Now()
				c.live(l)
				if took := time.Since(start); c.longest > 0 && took > c.longest {
					t.Errorf("it took %v, at most %v are allowed", took, c.longest)
				}
				if n := l.Stats().Flushes; n < c.least || n > c.most {
					t.Errorf("%d flushes, want %d to %d", n, c.least, c.most)
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestADiskThatIsFullForLong: what waits is bounded, nobody is told that it is on
// the disk, and when there is room again a state makes the log whole.
func TestADiskThatIsFullForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		full := true
		d.fail = func(op, _ string, _ int64) error {
			if full && op != "remove" {
				return os.ErrPermission
			}
			return nil
		}
		h := &house{model: newModel()}
		var err error
		if h.log, _, err = Open("", Options{FS: d, MaxPending: 64 << 10}, h.load); err != nil {
			t.Fatal(err)
		}
		for range 5000 {
			h.change()
			time.Sleep(time.Millisecond)
		}
		s := h.log.Stats()
		if s.Durable > 0 || s.Pending > 65<<10 || s.Overflowed == 0 || !s.NeedsCompact || h.log.Err() == nil || h.log.Flush() == nil {
			t.Errorf("while it is full: %+v, error %v", s, h.log.Err())
		}
		if err := h.compact(); err == nil || h.log.Stats().LastError == "" {
			t.Errorf("a state on a full disk: %v, %+v", err, h.log.Stats())
		}
		d.mu.Lock()
		full = false
		d.mu.Unlock()
		time.Sleep(time.Minute)
		if !h.log.WantsCompaction() || h.log.Durable() == Seq(h.n) || h.log.Err() == nil {
			t.Errorf("there is room again: %+v", h.log.Stats())
		}
		if err := h.compact(); err != nil {
			t.Fatal(err)
		}
		if h.log.Durable() != Seq(h.n) || h.log.Err() != nil || h.log.Stats().LastError != "" {
			t.Errorf("after the state: %+v, error %v", h.log.Stats(), h.log.Err())
		}
		h.change()
		if err := h.log.Close(); err != nil {
			t.Fatal(err)
		}
		if n, err := look(d, h.n); n != h.n || err != nil {
			t.Errorf("%d of %d changes are there, %v", n, h.n, err)
		}
	})
}

// slow is a disk that takes five seconds for each sync.
type slow struct{ *disk }

type slowFile struct{ File }

func (d slow) Open(name string, create bool) (File, error) {
	f, err := d.disk.Open(name, create)
	return slowFile{f}, err
}

func (f slowFile) Sync() error {
	time.Sleep(5 * time.Second)
	return f.File.Sync()
}

// TestNobodyWaitsForTheDisk: while it is slow, appending goes on, also while a
// state is written, and what came meanwhile shares the next flush.
func TestNobodyWaitsForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{model: newModel()}
		var err error
		if h.log, _, err = Open("", Options{FS: slow{newDisk()}}, h.load); err != nil {
			t.Fatal(err)
		}
		compacted := make(chan error, 1)
		start := time.Now()
		for i := range 5000 {
			before := time.Now()
			h.change()
			h.log.Stats()
			h.log.Err()
			h.log.Durable()
			if time.Now() != before {
				t.Fatalf("record %d: appending took %v", i, time.Since(before))
			}
			if i == 2000 {
				go func() { compacted <- h.compact() }()
			}
			time.Sleep(2 * time.Millisecond)
		}
		if err := h.log.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := <-compacted; err != nil {
			t.Error(err)
		}
		if n := h.log.Stats().Flushes; n > 5 {
			t.Errorf("%d flushes in %v", n, time.Since(start))
		}
		if err := h.log.Close(); err != nil {
			t.Error(err)
		}
	})
}
