package store

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/store/pages"
)

var damages = flag.Int("damages", 20, "how many random damages TestRandomDamage tries")

// safeLog is a log that goroutines write.
type safeLog struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *safeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *safeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *safeLog) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

var _ io.Writer = (*safeLog)(nil)

// origin is where a value of a world belongs.
type origin struct {
	entity string
	ms     int64
}

// world is a store of which every reading is known, with two destinations: one
// that keeps up, and one that stands in the middle of an hour long ago. Each
// reading has a value of its own.
type world struct {
	files map[string][]byte // by suffix
	truth map[float64]origin
	text  map[string]origin
	sent  map[string]map[float64]bool // by destination
	clock *clock
	names []string
	// last are the values of the last commit. Where that is damaged in the log it
	// looks like one that a power cut interrupted, of which nobody tells.
	last map[float64]bool
}

func newWorld(t testing.TB, series, hours int) *world {
	t.Helper()
	w := &world{files: map[string][]byte{}, truth: map[float64]origin{}, last: map[float64]bool{}, text: map[string]origin{}, clock: &clock{t: noon},
		sent: map[string]map[float64]bool{"keeps up": {}, "far behind": {}}}
	path := filepath.Join(t.TempDir(), "hems.db")
	s, err := Open(path, Options{CommitInterval: 1000 * time.Hour, Now: w.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range series {
		w.names = append(w.names, fmt.Sprintf("e%d", i))
		_, err := s.Register(Series{Entity: w.names[i], Unit: "W", Device: "Meter " + w.names[i]})
		check(err)
	}
	_, err = s.Register(Series{Entity: "mode"})
	check(err)
	ctx := context.Background()
	v := 0
	for step := range hours * 6 {
		at := noon.Add(time.Duration(step) * 10 * time.Minute)
		w.clock.set(at)
		for i, name := range w.names {
			for k := range 3 {
				v++
				value := float64(v) / 4
				when := at.Add(time.Duration(k)*time.Minute + time.Duration(i)*time.Millisecond)
				check(s.Append(Reading{Entity: name, Time: when, Value: value}))
				w.truth[value] = origin{name, when.UnixMilli()}
			}
		}
		if step%5 == 0 {
			text := fmt.Sprintf("mode %d", step)
			check(s.Append(Reading{Entity: "mode", Time: at, Text: text}))
			w.text[text] = origin{"mode", at.UnixMilli()}
		}
		check(s.Commit(ctx))
		w.serve(t, s, "keeps up", 1000, w.sent["keeps up"])
		check(s.sweep(ctx))
	}
	w.serve(t, s, "far behind", len(w.truth)/3+7, w.sent["far behind"])
	// The last word of the destination that keeps up is some readings old.
	for i, name := range w.names {
		v++
		when := w.clock.now().Add(5*time.Minute + time.Duration(i)*time.Millisecond)
		check(s.Append(Reading{Entity: name, Time: when, Value: float64(v) / 4}))
		w.truth[float64(v)/4] = origin{name, when.UnixMilli()}
		w.last[float64(v)/4] = true
	}
	check(s.Commit(ctx))
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		check(err)
		w.files[suffix] = b
	}
	check(s.Close())
	w.files[".state"], err = os.ReadFile(path + ".state")
	check(err)
	whole, err := os.ReadFile(path) // after the last checkpoint
	check(err)
	w.files["whole"] = whole
	return w
}

// serve takes up to n readings for a destination.
func (w *world) serve(t testing.TB, s *Store, name string, n int, into map[float64]bool) {
	t.Helper()
	for n > 0 {
		b, err := s.Next(context.Background(), name, min(n, 500))
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Items) == 0 {
			return
		}
		n -= len(b.Items)
		for _, i := range b.Items {
			if i.Text == "" {
				if into[i.Value] {
					t.Fatalf("%s is sent %v twice", name, i.Value)
				}
				into[i.Value] = true
			}
		}
		if err := s.Advance(context.Background(), name, b); err != nil {
			t.Fatal(err)
		}
	}
}

// put writes the world's files to a new directory: one without a log, as after
// an end in order, or with one, as after a power cut.
func (w *world) put(t testing.TB, withLog bool) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "hems.db")
	main := w.files["whole"]
	if withLog {
		main = w.files[""]
		if err := os.WriteFile(path+"-wal", w.files["-wal"], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for suffix, b := range map[string][]byte{"": main, ".state": w.files[".state"]} {
		if err := os.WriteFile(path+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// outcome is what is left of a world after damage.
type outcome struct {
	check    Check
	lost     []origin // readings that nobody can read any more
	lostText int
	log      string
}

// live opens the world after its damage, goes on with it, and fails the test
// when a value is wrong, a destination is sent something twice or not at all, or
// readings are missing of which nobody tells.
func (w *world) live(t testing.TB, path string) (o outcome) {
	t.Helper()
	log := &safeLog{}
	s, err := Open(path, Options{CommitInterval: 1000 * time.Hour, Now: w.clock.now, Log: log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// What is new is taken while the old follows.
	if _, err := s.Register(Series{Entity: "new", Unit: "W"}); err != nil {
		t.Fatal(err)
	}
	const newest = 1e6
	if err := s.Append(Reading{Entity: "new", Time: w.clock.now().Add(time.Hour), Value: newest}); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	settle(s)
	s.checkRest = 0
	if err := s.checkAll(context.Background()); err != nil && !damaged(err) {
		t.Fatal(err)
	}
	settle(s)
	ids := map[string]int64{}
	for _, name := range append(slices.Clone(w.names), "mode") {
		id, err := s.Register(Series{Entity: name, Unit: map[bool]string{true: "W"}[name != "mode"]})
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = id
	}
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx := context.Background()
	readable := map[float64]bool{}
	for id, d := range s.Series() {
		samples, err := r.Samples(ctx, id, time.UnixMilli(0), time.UnixMilli(maxMilli))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range samples {
			if want, ok := w.truth[v.Value]; (!ok || want.ms != v.Milli || want.entity != d.Entity) && v.Value != newest {
				t.Fatalf("%s (%d): got %v at %d, want it for %+v", d.Entity, id, v.Value, v.Milli, want)
			}
			readable[v.Value] = true
		}
	}
	if !readable[newest] {
		t.Error("the newest reading is missing")
	}
	texts, err := r.Texts(ctx, ids["mode"], time.UnixMilli(0), time.UnixMilli(maxMilli))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range texts {
		if w.text[v.Text].ms != v.Milli {
			t.Fatalf("text %q at %d", v.Text, v.Milli)
		}
	}
	o.lostText = len(w.text) - len(texts)
	for name, before := range w.sent {
		now := maps.Clone(before)
		w.serve(t, s, name, 10*len(w.truth), now)
		for v := range readable {
			if !now[v] {
				t.Fatalf("%s was never sent %v of %+v", name, v, w.truth[v])
			}
		}
	}
	o.check, o.log = s.Check(), log.String()
	told := o.check.Bad
	if o.check.Salvage != nil {
		told = append(told, o.check.Salvage.Lost...)
	}
	for v, at := range w.truth {
		if readable[v] || w.last[v] {
			continue
		}
		o.lost = append(o.lost, at)
		if !slices.ContainsFunc(told, func(l Lost) bool { return l.From.UnixMilli() <= at.ms && at.ms <= l.To.UnixMilli() }) {
			t.Fatalf("a reading of %v is missing, and nobody tells: %v", time.UnixMilli(at.ms).UTC(), told)
		}
	}
	return o
}

// Each page of a file in turn is zero: what was on it is lost and nothing else.
func TestEveryPageZero(t *testing.T) {
	w := newWorld(t, 12, 24)
	n := len(w.files["whole"]) / pages.Size
	salvaged, most := 0, 0
	step := max(1, 60 / *damages) // every third by default, and all when more are asked for
	for p := 1; p <= n; p += step {
		t.Run(fmt.Sprint(p), func(t *testing.T) {
			path := w.put(t, false)
			b := bytes.Clone(w.files["whole"])
			clear(b[(p-1)*pages.Size:][:pages.Size])
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			o := w.live(t, path)
			if o.check.Salvage != nil {
				salvaged++
			}
			most = max(most, len(o.lost))
			if len(o.lost) > len(w.truth)/4 {
				t.Errorf("%d of %d readings are lost; %v", len(o.lost), len(w.truth), o.check)
			}
		})
	}
	t.Logf("%d pages, %d of them salvaged, at most %d of %d readings lost", n, salvaged, most, len(w.truth))
	if salvaged < n/step/3 {
		t.Errorf("of %d pages only %d were found to be zero", n, salvaged)
	}
}

// Damage of all kinds, with a log and without.
func TestRandomDamage(t *testing.T) {
	w := newWorld(t, 6, 20)
	for i := range *damages {
		rnd := rand.New(rand.NewPCG(7, uint64(i)))
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			withLog := rnd.IntN(3) > 0
			path := w.put(t, withLog)
			file := path
			if withLog && rnd.IntN(2) == 0 {
				file += "-wal"
			}
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, damagedAnyhow(rnd, b, rnd.IntN(4)), 0o600); err != nil {
				t.Fatal(err)
			}
			w.live(t, path)
		})
	}
}

// While there is no room for old readings, new ones are taken, and destinations
// wait; with room it goes on by itself, also after the process was started again.
func TestSalvageWaitsForRoom(t *testing.T) {
	w := newWorld(t, 4, 6)
	path := w.put(t, false)
	b := bytes.Clone(w.files["whole"])
	clear(b[:pages.Size])
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	leaveFree = 1 << 60
	t.Cleanup(func() { leaveFree = spare })
	for i := range 2 {
		s, err := Open(path, Options{CommitInterval: 1000 * time.Hour, Now: w.clock.now})
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); s.Check().Salvage == nil || s.Check().Salvage.Waits == ""; {
			if time.Now().After(deadline) {
				t.Fatalf("it is not told that there is no room: %+v", s.Check())
			}
			time.Sleep(time.Millisecond)
		}
		id := register(t, s, "new", "W")
		if err := s.Append(Reading{Entity: "new", Time: w.clock.now().Add(time.Duration(2+i) * time.Hour), Value: 1e6 + float64(i)}); err != nil {
			t.Fatal(err)
		}
		commit(t, s)
		if got := allSamples(t, reader(t, path), id); len(got) != i+1 {
			t.Errorf("got %d new readings, want %d", len(got), i+1)
		}
		for _, name := range []string{"keeps up", "far behind", "another"} {
			if b, err := s.Next(context.Background(), name, 10); err != nil || len(b.Items) != 0 {
				t.Errorf("%s is sent %d readings (%v) before those that it waits for", name, len(b.Items), err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	leaveFree = 0
	s, err := Open(path, Options{CommitInterval: 1000 * time.Hour, Now: w.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	settle(s)
	for name, sent := range w.sent {
		now := maps.Clone(sent)
		w.serve(t, s, name, 10*len(w.truth), now)
		for v, at := range w.truth {
			if !now[v] {
				t.Errorf("%s was never sent %v of %+v", name, v, at)
			}
		}
	}
	if c := s.Check(); c.Salvage == nil || len(c.Salvage.Lost) != 0 || c.Salvage.Saved != int64(len(w.truth)) {
		t.Errorf("got %+v, want all %d readings saved", c.Salvage, len(w.truth))
	}
}

// A process that is killed in the middle goes on where it was.
func TestSalvageGoesOnAfterAnEnd(t *testing.T) {
	w := newWorld(t, 4, 12)
	path := w.put(t, false)
	b := bytes.Clone(w.files["whole"])
	clear(b[:pages.Size])
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 4 { // each ends while it follows, or after
		s, err := Open(path, Options{CommitInterval: 1000 * time.Hour, Now: w.clock.now})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if o := w.live(t, path); len(o.lost) != 0 {
		t.Errorf("%d readings are lost", len(o.lost))
	}
}
