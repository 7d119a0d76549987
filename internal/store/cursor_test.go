package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"
)

func next(t *testing.T, s *Store, name string, limit int) Batch {
	t.Helper()
	b, err := s.Next(context.Background(), name, limit)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func advance(t *testing.T, s *Store, name string, b Batch) {
	t.Helper()
	if err := s.Advance(context.Background(), name, b); err != nil {
		t.Fatal(err)
	}
}

func TestCursorServesEverythingOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	register(t, s, "a", "W")
	register(t, s, "b", "W")
	if b := next(t, s, "x", 10); len(b.Items) != 0 {
		t.Errorf("an empty store gives %v", b.Items)
	}
	advanced := s.Advanced()
	for i := range 5 {
		appendAll(t, s, at("a", time.Duration(i)*time.Second, float64(i)), at("b", time.Duration(i)*time.Second, 10+float64(i)))
	}
	commit(t, s)
	select {
	case <-advanced:
	default:
		t.Error("the commit was not told of")
	}
	first := next(t, s, "x", 7)
	if again := next(t, s, "x", 3); len(again.Items) != 3 || again.Items[0] != first.Items[0] {
		t.Errorf("without Advance: got %v, want the first three of %v", again.Items, first.Items)
	}
	first = next(t, s, "x", 7)
	advance(t, s, "x", first)
	s.Close()
	s = open(t, path, Options{})
	if n, err := s.Backlog(context.Background(), "x"); n != 3 || err != nil {
		t.Errorf("backlog: got %d, %v; want 3", n, err)
	}
	second := next(t, s, "x", 7)
	seen := map[Item]int{}
	for _, i := range append(first.Items, second.Items...) {
		seen[i]++
	}
	if len(first.Items) != 7 || len(second.Items) != 3 || len(seen) != 10 {
		t.Errorf("got %d and %d items, %d different; want 7, 3 and 10", len(first.Items), len(second.Items), len(seen))
	}
	advance(t, s, "x", second)
	if n, err := s.Backlog(context.Background(), "x"); n != 0 || err != nil {
		t.Errorf("backlog at the end: got %d, %v; want 0", n, err)
	}
	if n, err := s.Backlog(context.Background(), "new"); n != 10 || err != nil {
		t.Errorf("backlog of another: got %d, %v; want 10", n, err)
	}
}

// TestCursorsAndSealing lets destinations of every kind of slowness read while
// hours are sealed around and under them: each must get every reading once.
func TestCursorsAndSealing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	rnd := rand.New(rand.NewPCG(7, 7))
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now})
	for i := range 4 {
		register(t, s, fmt.Sprint("e", i), "W")
	}
	names := []string{"live", "slow", "crawl", "bulk"}
	seen := map[string]map[Item]int{}
	out := map[string]*Batch{}
	for _, n := range names {
		seen[n] = map[Item]int{}
	}
	step := func(name string, limit int) {
		if b := out[name]; b != nil { // answered now, after whatever happened meanwhile
			for _, i := range b.Items {
				seen[name][i]++
			}
			advance(t, s, name, *b)
			out[name] = nil
			return
		}
		b := next(t, s, name, limit)
		out[name] = &b
	}
	total := 0
	for m := range 60 * 7 { // seven hours
		d := time.Duration(m) * time.Minute
		for e := range 4 {
			appendAll(t, s, at(fmt.Sprint("e", e), d+time.Duration(rnd.IntN(1000))*time.Millisecond, float64(m)))
			total++
		}
		commit(t, s)
		c.set(noon.Add(d))
		step("live", 5000)
		if m%9 == 0 {
			step("slow", 11)
		}
		if m%50 == 0 {
			step("crawl", 1)
		}
		if err := s.sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
		if m == 200 { // a restart forgets what was out, and it is asked for again
			s.Close()
			s = open(t, path, Options{Now: c.now})
			clear(out)
		}
	}
	for _, n := range names {
		for {
			step(n, 700)
			if b := out[n]; b != nil && len(b.Items) == 0 {
				break
			}
		}
		if len(seen[n]) != total {
			t.Errorf("%s: got %d readings, want %d", n, len(seen[n]), total)
		}
		for i, times := range seen[n] {
			if times != 1 {
				t.Fatalf("%s: %v came %d times", n, i, times)
			}
		}
	}
	c.set(noon.Add(20 * time.Hour))
	if err := s.sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	var blocks int
	if err := s.db.QueryRow(`SELECT count(*) FROM block`).Scan(&blocks); err != nil || blocks != 0 {
		t.Errorf("blocks left when all cursors have passed: got %d (%v), want 0", blocks, err)
	}
}

func TestDamagedReadingsAreNotServedForEver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	c := &clock{t: noon}
	s := open(t, path, Options{Now: c.now})
	for h := range 3 {
		for i := range 2 {
			e := fmt.Sprint("e", i)
			register(t, s, e, "W")
			appendAll(t, s, at(e, time.Duration(h)*time.Hour, float64(h)))
		}
		commit(t, s)
	}
	c.set(noon.Add(2 * time.Hour)) // the first two hours are sealed
	if err := s.sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	// One chunk of the first hour and the last hour's block.
	for _, q := range []string{
		`UPDATE chunk SET data = x'0102' WHERE id = (SELECT min(id) FROM chunk)`,
		`UPDATE block SET data = x'0102'`,
	} {
		if _, err := s.db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	var got []float64
	for range 10 {
		b := next(t, s, "x", 1)
		if len(b.Items) == 0 {
			break
		}
		got = append(got, b.Items[0].Value)
		advance(t, s, "x", b)
	}
	if len(got) != 3 {
		t.Errorf("got %v, want the three readings that are whole", got)
	}
	if got := len(allSamples(t, reader(t, path), 2)); got != 2 {
		t.Errorf("a reader gets %d samples of the second series, want 2", got)
	}
}
