//go:build e2e

package storage

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
	"github.com/smartcore-ireland/hems/internal/testservers/loopdisk"
)

var (
	kills = flag.Int("kills", 10, "how often TestKills kills the writer")
	cuts  = flag.Int("cuts", 10, "how often TestPowerCuts cuts the power")
)

const writeEnv = "HEMS_TEST_STORE_WRITER"

var began = time.Date(2026, 11, 20, 12, 30, 0, 0, time.UTC)

func TestMain(m *testing.M) {
	flag.Parse()
	if path := os.Getenv(writeEnv); path != "" {
		if err := write(path); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// write counts on from what is in the store, a reading each half minute of a
// clock of its own, and serves a destination, until it is killed. It says each
// thing when it is done, or in the case of what is handed out before.
func write(path string) error {
	opening := time.Now()
	now := began
	o := store.Options{CommitInterval: 20 * time.Millisecond, Now: func() time.Time { return now }}
	s, err := store.Open(path, o)
	if err != nil {
		return err
	}
	fmt.Println("opened", time.Since(opening).Milliseconds())
	id, err := s.Register(store.Series{Entity: "p"})
	if err != nil {
		return err
	}
	r, err := store.OpenReader(path)
	if err != nil {
		return err
	}
	n := 0
	if last, ok, err := r.Last(context.Background(), id); err != nil {
		return err
	} else if ok {
		n = int(last.Value) + 1
	}
	r.Close()
	// The clock is set only while the store is closed, and so is none that others
	// read: an hour is sealed each time it is opened again.
	if err := s.Close(); err != nil {
		return err
	}
	for {
		now = at(n)
		if s, err = store.Open(path, o); err != nil {
			return err
		}
		for range 30 {
			var some []store.Reading
			for range 1 + rand.IntN(40) {
				some = append(some, store.Reading{Entity: "p", Time: at(n), Value: float64(n)})
				n++
			}
			if _, err := s.Register(store.Series{Entity: "p"}); err != nil {
				return err
			}
			if err := s.Append(some...); err != nil {
				return err
			}
			if err := s.Commit(context.Background()); err != nil {
				return err
			}
			fmt.Println("committed", n)
			b, err := s.Next(context.Background(), "d", 1+rand.IntN(60))
			if err != nil {
				return err
			}
			if len(b.Items) == 0 {
				continue
			}
			first, last := int(b.Items[0].Value), int(b.Items[len(b.Items)-1].Value)
			if last-first != len(b.Items)-1 {
				return fmt.Errorf("%d readings from %d to %d are handed out", len(b.Items), first, last)
			}
			fmt.Println("handed", first, last)
			if err := s.Advance(context.Background(), "d", b); err != nil {
				return err
			}
			fmt.Println("served", last)
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
}

func at(n int) time.Time { return began.Add(time.Duration(n) * 30 * time.Second) }

// proof is what a writer has said so far.
type proof struct {
	t                         *testing.T
	committed, served, handed int
	slowest                   time.Duration // opening
}

// run lets a writer work on a store, kills it at a moment of chance, and fails the
// test when what it goes on with is not what the one before had.
func (p *proof) run(path string) {
	p.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writeEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	begun := false
	hear := func() bool {
		if !said.Scan() {
			return false
		}
		var a, b int
		switch line := said.Text(); {
		case scan(line, "opened %d", &a):
			p.slowest = max(p.slowest, time.Duration(a)*time.Millisecond)
		case scan(line, "committed %d", &a):
			p.committed = max(p.committed, a)
		case scan(line, "handed %d %d", &a, &b):
			if !begun && (a <= p.served || a > p.handed+1) {
				p.t.Errorf("%d was served and up to %d handed out, and the next writer begins at %d", p.served, p.handed, a)
			}
			begun = true
			p.handed = b
		case scan(line, "served %d", &a):
			p.served = a
		default:
			p.t.Fatalf("the writer says %q", line)
		}
		return true
	}
	for range 3 + rand.IntN(120) {
		if !hear() {
			p.t.Fatalf("the writer ended by itself: %v", said.Err())
		}
	}
	time.Sleep(time.Duration(rand.IntN(10_000)) * time.Microsecond)
	if err := cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	for hear() { // what it said before it died
	}
	_ = cmd.Wait() // killed
}

func scan(line, format string, to ...any) bool {
	n, err := fmt.Sscanf(line, format, to...)
	return err == nil && n == len(to)
}

// check fails the test unless everything that was committed is there.
func (p *proof) check(path string) {
	p.t.Helper()
	s, err := store.Open(path, store.Options{CommitInterval: time.Hour, Now: func() time.Time { return began }})
	if err != nil {
		p.t.Fatal(err)
	}
	defer s.Close()
	if c := s.Check(); c.Salvage != nil {
		p.t.Errorf("the file is damaged: %+v", c.Salvage)
	}
	r, err := store.OpenReader(path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Close()
	got, err := r.Samples(context.Background(), 1, began, began.AddDate(50, 0, 0))
	if err != nil {
		p.t.Fatal(err)
	}
	if len(got) < p.committed {
		p.t.Fatalf("%d readings were committed, %d are there", p.committed, len(got))
	}
	for i, v := range got {
		if v.Value != float64(i) || v.Milli != at(i).UnixMilli() {
			p.t.Fatalf("reading %d is %v at %d", i, v.Value, v.Milli)
		}
	}
}

// TestKills kills the store's writer at moments of chance.
func TestKills(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hems.db")
	p := proof{t: t, served: -1, handed: -1}
	for range *kills {
		p.run(path)
		p.check(path)
	}
	t.Logf("%d kills, %d readings committed, %d served; opening took at most %v", *kills, p.committed, p.served+1, p.slowest)
}

// TestPowerCuts cuts the power at moments of chance: the disk is copied as it is
// then, without what the system has only in memory.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	if !loopdisk.Private(t) {
		return
	}
	images, err := os.MkdirTemp("", "hemsstore")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(images) })
	disk := loopdisk.New(t, 64<<20, loopdisk.Card)
	p := proof{t: t, served: -1, handed: -1}
	for i := range *cuts {
		p.run(filepath.Join(disk.Dir, "hems.db"))
		copied := filepath.Join(images, []string{"a", "b"}[i%2])
		disk.Cut(t, copied)
		disk.Unmount(t)
		disk = loopdisk.Mount(t, copied, loopdisk.Card)
		p.check(filepath.Join(disk.Dir, "hems.db"))
	}
	t.Logf("%d power cuts, %d readings committed, %d served; opening took at most %v", *cuts, p.committed, p.served+1, p.slowest)
}
