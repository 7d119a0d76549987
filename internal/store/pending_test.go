package store

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// readerBeside is a reader that asks the writer what waits, in the form in
// which one process tells another.
func readerBeside(t *testing.T, s *Store, o ReaderOptions) *Reader {
	t.Helper()
	o.Pending = func(context.Context) (Pending, error) {
		var b bytes.Buffer
		if err := s.Pending().Encode(&b); err != nil {
			return Pending{}, err
		}
		return DecodePending(&b)
	}
	r, err := OpenReader(s.path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestReadersSeeWhatWaits(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hems.db"), Options{})
	id := register(t, s, "p", "W")
	appendAll(t, s, at("p", 0, 1), at("p", time.Minute, 2))
	commit(t, s)
	r := readerBeside(t, s, ReaderOptions{})
	appendAll(t, s, at("p", 2*time.Minute, 4), at("p", time.Minute, 3), at("p", -time.Minute, 0.5))

	want := []Sample{wantSample(-time.Minute, 0.5), wantSample(0, 1), wantSample(time.Minute, 3), wantSample(2*time.Minute, 4)}
	check := func(t *testing.T) {
		t.Helper()
		if diff := cmp.Diff(want, allSamples(t, r, id)); diff != "" {
			t.Errorf("Samples (-want +got):\n%s", diff)
		}
		if got, ok, err := r.Last(context.Background(), id); err != nil || !ok || got != want[3] {
			t.Errorf("Last: got %v %v %v, want %v", got, ok, err, want[3])
		}
		if got, ok, err := r.Before(context.Background(), id, noon.Add(2*time.Minute)); err != nil || !ok || got != want[2] {
			t.Errorf("Before: got %v %v %v, want %v", got, ok, err, want[2])
		}
		got, err := r.Rollups(context.Background(), id, FiveMinutes, noon, noon.Add(time.Hour))
		wantRolled := []Rollup{{Milli: noon.UnixMilli(), Count: 3, Min: 1, Max: 4, Sum: 8, Last: 4, LastMilli: want[3].Milli}}
		if diff := cmp.Diff(wantRolled, got); err != nil || diff != "" {
			t.Errorf("Rollups: %v (-want +got):\n%s", err, diff)
		}
	}
	check(t)
	commit(t, s)
	check(t)
	if got := s.Pending(); len(got.Samples) != 0 {
		t.Errorf("after the commit %v waits, want nothing", got)
	}
}

func TestReadersGoOnWithoutTheWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	id := register(t, s, "p", "W")
	appendAll(t, s, at("p", 0, 1))
	commit(t, s)
	r, err := OpenReader(path, ReaderOptions{Pending: func(context.Context) (Pending, error) { return Pending{}, errors.New("nobody there") }})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if diff := cmp.Diff([]Sample{wantSample(0, 1)}, allSamples(t, r, id)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatAFailedCommitTakesStillWaits(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hems.db"), Options{soon: never})
	id := register(t, s, "p", "W")
	commit(t, s)
	if _, err := s.db.Exec(`PRAGMA query_only = 1`); err != nil {
		t.Fatal(err)
	}
	appendAll(t, s, at("p", 0, 1))
	if err := s.Commit(context.Background()); err == nil {
		t.Fatal("a commit succeeded on a file that takes nothing")
	}
	appendAll(t, s, at("p", time.Second, 2))
	if diff := cmp.Diff(map[int64][]Sample{id: {wantSample(0, 1), wantSample(time.Second, 2)}}, s.Pending().Samples); diff != "" {
		t.Errorf("what waits (-want +got):\n%s", diff)
	}
}

// pendingCases are what one process tells another.
var pendingCases = map[string]Pending{
	"Nothing": {Samples: map[int64][]Sample{}, Texts: map[int64][]TextSample{}},
	"Both": {
		Samples: map[int64][]Sample{3: {{Milli: 1_700_000_000_000, Value: 342.5}, {Milli: 1_700_000_010_000, Value: -1e300}}, 9: {{Milli: 1, Value: 0}}},
		Texts:   map[int64][]TextSample{4: {{Milli: 1_700_000_000_001, Text: "on"}, {Milli: 1_700_000_000_002, Text: ""}, {Milli: 1_700_000_000_003, Text: "ä\n"}}},
	},
}

func TestPendingIsReadAsWritten(t *testing.T) {
	for name, want := range pendingCases {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := want.Encode(&b); err != nil {
				t.Fatal(err)
			}
			whole := b.Bytes()
			got, err := DecodePending(bytes.NewReader(whole))
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			for n := range whole {
				if _, err := parsePending(whole[:n]); !errors.Is(err, errPending) {
					t.Errorf("cut after %d of %d bytes: got error %v, want one about the form", n, len(whole), err)
				}
			}
		})
	}
}

func FuzzPending(f *testing.F) {
	for _, p := range pendingCases {
		var b bytes.Buffer
		if err := p.Encode(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePending(b)
		if err != nil {
			if !errors.Is(err, errPending) {
				t.Errorf("got error %v, want one about the form", err)
			}
			return
		}
		p.between(1, 0, maxMilli)
		p.before(1, maxMilli)
		p.textsBetween(1, 0, maxMilli)
	})
}
