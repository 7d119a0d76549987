package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// damagedAnyhow changes a file as failing cards and memory do.
func damagedAnyhow(rnd *rand.Rand, whole []byte, how int) []byte {
	d := append([]byte(nil), whole...)
	switch how % 4 {
	case 0: // bits anywhere
		for range 1 + rnd.IntN(3) {
			d[rnd.IntN(len(d))] ^= 1 << rnd.IntN(8)
		}
	case 1: // bits in the pages of the tables themselves
		for range 1 + rnd.IntN(3) {
			d[rnd.IntN(min(len(d), 16*4096))] ^= 1 << rnd.IntN(8)
		}
	case 2: // a page of nonsense
		page := d[rnd.IntN(len(d)/4096)*4096:][:4096]
		for i := range page {
			page[i] = byte(rnd.Uint32())
		}
	case 3: // a sector of zeros
		clear(d[rnd.IntN(len(d)/512)*512:][:512])
	}
	return d
}

// Wherever a file is damaged, the store opens, takes readings, serves its
// cursor to the end and answers questions, if need be with a new file.
func TestDamageAnywhereIsSurvived(t *testing.T) {
	dir := t.TempDir()
	base := filepath.Join(dir, "base.db")
	c := &clock{t: noon}
	s := open(t, base, Options{Now: c.now})
	rnd := rand.New(rand.NewPCG(1, 1))
	for e := range 5 {
		register(t, s, fmt.Sprintf("e%d", e), "W")
	}
	for minute := range 40 {
		for e := range 5 {
			appendAll(t, s, at(fmt.Sprintf("e%d", e), time.Duration(minute)*3*time.Minute, rnd.Float64()*100))
		}
		commit(t, s)
	}
	c.set(noon.Add(2 * time.Hour))
	if err := s.sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	serve(s, 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 32 {
		rnd := rand.New(rand.NewPCG(2, uint64(i)))
		path := filepath.Join(dir, fmt.Sprintf("damaged-%d.db", i))
		if err := os.WriteFile(path, damagedAnyhow(rnd, whole, i), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := goesOn(path, c); err != nil {
			t.Errorf("damage %d: %v", i, err)
		}
	}
}

// settle waits until nothing follows from a damaged file any more.
func settle(s *Store) {
	for {
		s.dbMu.Lock()
		following := s.following
		s.dbMu.Unlock()
		if following == nil {
			return
		}
		<-following
	}
}

// serve takes up to n batches of a cursor.
func serve(s *Store, n int) (values map[float64]bool, err error) {
	values = map[float64]bool{}
	for range n {
		b, err := s.Next(context.Background(), "d", 50)
		if err != nil || len(b.Items) == 0 {
			return values, err
		}
		for _, i := range b.Items {
			values[i.Value] = true
		}
		if err := s.Advance(context.Background(), "d", b); err != nil {
			return values, err
		}
	}
	return values, fmt.Errorf("the cursor was served %d times and is not at the end", n)
}

// goesOn uses a damaged store as the appliance does: its damage may fail each
// step once, and nothing after that.
func goesOn(path string, c *clock) error {
	s, err := Open(path, Options{CommitInterval: 1000 * time.Hour, Now: c.now})
	if err != nil {
		return err
	}
	defer s.Close()
	var values map[float64]bool
	const last = 4242
	for range 4 {
		for e := range 5 {
			if _, err := s.Register(Series{Entity: fmt.Sprintf("e%d", e), Unit: "W"}); err != nil {
				return err
			}
		}
		if err := s.Append(at("e0", 3*time.Hour, last)); err != nil {
			return err
		}
		if err = s.Commit(context.Background()); err != nil {
			continue
		}
		settle(s)
		s.lastSweep = time.Time{}
		if err = s.sweep(context.Background()); err != nil {
			continue
		}
		if values, err = serve(s, 100); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	if !values[last] {
		return fmt.Errorf("the latest reading was not served")
	}
	r, err := OpenReader(path)
	if err != nil {
		return err
	}
	defer r.Close()
	got, ok, err := r.Last(context.Background(), s.current["e0"])
	if err != nil || !ok || got.Value != last {
		return fmt.Errorf("the latest reading: got %v, %v, %v", got, ok, err)
	}
	return nil
}

// Damage that leaves a sound SQLite database, but not a sound store.
func TestNumbersThatContradictAreDamage(t *testing.T) {
	for name, damage := range map[string]string{
		"FarTooHigh": `UPDATE segment SET last = 1 << 60 WHERE first = (SELECT max(first) FROM segment)`,
		"TooLow":     `UPDATE segment SET last = first - 1`,
		"Cursor":     `UPDATE cursor SET seq = 1 << 60`,
		"Schema":     `ALTER TABLE block RENAME COLUMN data TO dat`,
		"NoVersion":  `DROP TABLE schema_version`,
		"Version":    `UPDATE schema_version SET version = version + 130`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "hems.db")
			c := &clock{t: noon}
			s := open(t, path, Options{Now: c.now})
			register(t, s, "e0", "W")
			appendAll(t, s, at("e0", 0, 1), at("e0", time.Second, 2))
			commit(t, s)
			appendAll(t, s, at("e0", time.Minute, 3))
			commit(t, s)
			if _, err := serve(s, 2); err != nil {
				t.Fatal(err)
			}
			if _, err := s.db.Exec(damage); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := goesOn(path, c); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAColumnOfAnotherTypeIsDamage(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hems.db"), Options{})
	var n int64
	if err := s.db.QueryRow(`SELECT NULL`).Scan(&n); !damaged(fmt.Errorf("reading: %w", err)) {
		t.Errorf("got %v, which should be taken for damage", err)
	}
	if err := s.db.QueryRow(`SELECT 1 WHERE 0`).Scan(&n); damaged(err) {
		t.Errorf("got %v, which should not be taken for damage", err)
	}
}
