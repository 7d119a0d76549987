package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestDamagedFileIsSetAside(t *testing.T) {
	first, second := wantSample(0, 1), wantSample(time.Minute, 2)
	for name, c := range map[string]struct {
		damage func(b []byte) []byte
		want   []Sample
	}{
		"Garbage":      {func(b []byte) []byte { return []byte(strings.Repeat("not a database ", 1000)) }, []Sample{second}},
		"ZeroedHeader": {func(b []byte) []byte { clear(b[:100]); return b }, []Sample{first, second}},
		"ZeroedSchema": {func(b []byte) []byte { clear(b[100:4096]); return b }, []Sample{first, second}},
		"CutShort":     {func(b []byte) []byte { return b[:5000] }, []Sample{second}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "hems.db")
			s := open(t, path, Options{})
			register(t, s, "p", "W")
			appendAll(t, s, at("p", 0, 1))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			for _, suffix := range []string{"-wal", "-shm"} {
				if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, c.damage(b), 0o600); err != nil {
				t.Fatal(err)
			}

			log := &safeLog{}
			s = open(t, path, Options{Log: log.logger()})
			id := register(t, s, "p", "W")
			appendAll(t, s, at("p", time.Minute, 2))
			commit(t, s)
			settle(s)
			if diff := cmp.Diff(c.want, allSamples(t, reader(t, path), id)); diff != "" {
				t.Errorf("samples (-want +got):\n%s", diff)
			}
			if kept, err := filepath.Glob(path + ".damaged-*Z"); err != nil || len(kept) != 1 {
				t.Errorf("got %v set aside (%v), want one file", kept, err)
			}
			if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "is damaged") {
				t.Errorf("log: got %q, want a loud word about it", log.String())
			}
		})
	}
}

func TestDamageWhileRunningIsSurvived(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	id := register(t, s, "p", "W")
	appendAll(t, s, at("p", 0, 1))
	commit(t, s)
	r := reader(t, path)
	if got := len(allSamples(t, r, id)); got != 1 {
		t.Fatalf("got %d samples, want 1", got)
	}
	// Everything goes to the file, whose pages are then overwritten.
	if _, err := s.db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		t.Fatal(err)
	}
	s.db.Close()
	s.db = nil
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("x", int(info.Size()))), 0o600); err != nil {
		t.Fatal(err)
	}
	appendAll(t, s, at("p", time.Minute, 2))
	commit(t, s)
	if diff := cmp.Diff([]Sample{wantSample(time.Minute, 2)}, allSamples(t, r, id)); diff != "" {
		t.Errorf("samples of the reader, which follows (-want +got):\n%s", diff)
	}
	all, err := r.Series(context.Background())
	if err != nil || len(all) != 1 || all[0].Entity != "p" || all[0].ID != id {
		t.Errorf("series in the new file: got %v, %v", all, err)
	}
}

func TestFullDiskLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	var log strings.Builder
	s := open(t, path, Options{Log: logTo(&log)})
	id := register(t, s, "p", "W")
	commit(t, s)
	if _, err := s.db.Exec(`PRAGMA max_page_count = 1`); err != nil { // no page more than there are
		t.Fatal(err)
	}
	want := 0
	rnd := rand.New(rand.NewPCG(1, 1))
	var err error
	for i := 0; err == nil && i < 100; i++ {
		for range 1000 {
			appendAll(t, s, at("p", time.Duration(want)*time.Millisecond, rnd.Float64()))
			want++
		}
		err = s.Commit(context.Background())
	}
	if err == nil || s.Failure() == nil || s.Waiting() != 1000 {
		t.Fatalf("got error %v and %d waiting, want a full disk and 1000", err, s.Waiting())
	}
	if s.Commit(context.Background()) == nil {
		t.Fatal("the second commit on a full disk succeeded")
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("one failure was logged %d times", n)
	}
	if _, err := s.db.Exec(`PRAGMA max_page_count = 1000000`); err != nil {
		t.Fatal(err)
	}
	commit(t, s)
	if s.Failure() != nil || s.Waiting() != 0 {
		t.Errorf("after space was made: failure %v, %d waiting", s.Failure(), s.Waiting())
	}
	if got := len(allSamples(t, reader(t, path), id)); got != want {
		t.Errorf("got %d samples, want %d", got, want)
	}
}

func TestNewerFormIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	if _, err := s.db.Exec(`INSERT INTO schema_version VALUES (?, 0)`, len(migrations)+1); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open(path, Options{}); !errors.Is(err, ErrNewer) {
		t.Errorf("Open: got error %v, want %v", err, ErrNewer)
	}
	if _, err := OpenReader(path); !errors.Is(err, ErrNewer) {
		t.Errorf("OpenReader: got error %v, want %v", err, ErrNewer)
	}
	if kept, err := filepath.Glob(path + ".damaged-*"); err != nil || len(kept) != 0 {
		t.Errorf("it was set aside as %v", kept)
	}
}

func TestFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	register(t, s, "p", "W")
	commit(t, s)
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("mode of %s: got %o, want 600", info.Name(), got)
		}
	}
}

// TestKilledWriterKeepsWhatItCommitted kills a writing process, twelve times
// over, at moments of chance.
func TestKilledWriterKeepsWhatItCommitted(t *testing.T) {
	if path := os.Getenv("STORE_TEST_WRITE"); path != "" {
		writeUntilKilled(path)
	}
	path := filepath.Join(t.TempDir(), "hems.db")
	committed := 0
	for range 12 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWriterKeepsWhatItCommitted$")
		cmd.Env = append(os.Environ(), "STORE_TEST_WRITE="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		said := bufio.NewScanner(out)
		for range 1 + rand.IntN(15) {
			if !said.Scan() {
				t.Fatalf("the writer ended by itself: %v", said.Err())
			}
			if _, err := fmt.Sscanf(said.Text(), "committed %d", &committed); err != nil {
				t.Fatalf("the writer says %q", said.Text())
			}
		}
		time.Sleep(time.Duration(rand.IntN(8)) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for said.Scan() { // what it said before it died
			if _, err := fmt.Sscanf(said.Text(), "committed %d", &committed); err != nil {
				t.Fatalf("the writer says %q", said.Text())
			}
		}
		_ = cmd.Wait() // killed

		r := reader(t, path) // before any writer has put things right
		got := allSamples(t, r, 1)
		if len(got) < committed {
			t.Fatalf("got %d samples, want at least %d", len(got), committed)
		}
		for i, s := range got {
			if s.Value != float64(i) {
				t.Fatalf("sample %d is %v", i, s.Value)
			}
		}
		r.Close()
	}
	start := time.Now()
	s := open(t, path, Options{})
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("opening took %v", d)
	}
	if kept, err := filepath.Glob(path + ".damaged-*"); err != nil || len(kept) != 0 {
		t.Errorf("it was set aside as %v", kept)
	}
	s.Close()
}

// writeUntilKilled counts on from what is there, an hour a commit, so that
// hours are sealed under way.
func writeUntilKilled(path string) {
	fail := func(err error) {
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	c := &clock{t: noon}
	s, err := Open(path, Options{CommitInterval: time.Hour, Now: c.now})
	fail(err)
	id, err := s.Register(Series{Entity: "p"})
	fail(err)
	r, err := OpenReader(path)
	fail(err)
	have, err := r.Samples(context.Background(), id, time.UnixMilli(0), noon.AddDate(10, 0, 0))
	fail(err)
	for n := len(have); ; {
		for range 50 {
			fail(s.Append(at("p", time.Duration(n)*time.Minute, float64(n))))
			n++
		}
		fail(s.Commit(context.Background()))
		fmt.Println("committed", n)
		c.set(noon.Add(time.Duration(n) * time.Minute))
		fail(s.sweep(context.Background()))
	}
}

// TestModesAreThoseAskedFor: SQLite's files beside the store have its mode too,
// those of an earlier run included, whatever the umask.
func TestModesAreThoseAskedFor(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	path := filepath.Join(t.TempDir(), "hems.db")
	for _, mode := range []os.FileMode{0, 0o660} {
		s, err := Open(path, Options{Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		want := mode
		if mode == 0 {
			want = 0o600
		}
		for _, suffix := range []string{"", "-wal", "-shm"} {
			info, err := os.Stat(path + suffix)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode(); got != want {
				t.Errorf("hems.db%s has the mode %v, want %v", suffix, got, want)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
