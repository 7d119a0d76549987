package store

import (
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testdata/first-form.db.gz was written by the version before additions were
// known: 30 hours from firstBegin of a reading a minute of p (W: 1, 2, 3, …) and a
// millisecond later of e (kWh: 1000 and a thousandth of that), committed every ten
// minutes, sealed, and sent to the destination d up to an hour before the end.
const firstHours = 30

var firstBegin = time.Date(2026, 10, 24, 21, 0, 0, 0, time.UTC)

// firstSamples are those of p and of e in the file.
func firstSamples() (p, e []Sample) {
	for m := range firstHours * 60 {
		ms := firstBegin.Add(time.Duration(m) * time.Minute).UnixMilli()
		p = append(p, Sample{ms, float64(m + 1)})
		e = append(e, Sample{ms + 1, 1000 + float64(m+1)/1000})
	}
	return p, e
}

// firstForm is a copy of the file.
func firstForm(t *testing.T) (path string) { return unpacked(t, "first-form.db.gz") }

// unpacked is a copy of a file in testdata that another program has written.
func unpacked(t *testing.T, name string) (path string) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "hems.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFileOfTheFirstFormIsTakenOver(t *testing.T) {
	path := firstForm(t)
	zone := dublin(t)
	wantP, wantE := firstSamples()
	// A reader finds it before a writer has.
	r := readIn(t, path, zone)
	checkRollups(t, "before it was opened for writing", r, 1, wantP)
	if got := allTexts(t, r, 1); len(got) != 0 {
		t.Errorf("texts of a file without: %v", got)
	}

	end := firstBegin.Add(firstHours * time.Hour)
	c := &clock{t: end}
	s := open(t, path, Options{Now: c.now, Zone: zone})
	want := map[int64]Series{
		1: {ID: 1, Entity: "p", Unit: "W", DeviceClass: "power", StateClass: "measurement", UniqueID: "u_p"},
		2: {ID: 2, Entity: "e", Unit: "kWh", DeviceClass: "energy", StateClass: "total_increasing", UniqueID: "u_e"},
	}
	if diff := cmp.Diff(want, s.Series()); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
	for id, want := range map[int64][]Sample{1: wantP, 2: wantE} {
		if diff := cmp.Diff(want, allSamples(t, r, id)); diff != "" {
			t.Fatalf("samples of %d (-want +got):\n%s", id, diff)
		}
		checkRollups(t, "opened", r, id, want)
	}
	appendAll(t, s, Reading{Entity: "p", Time: end, Value: 5}, Reading{Entity: "p", Time: end, Text: "unavailable"})
	commit(t, s)
	wantP = append(wantP, Sample{end.UnixMilli(), 5})
	sweepAll(t, s, c, end.Add(72*time.Hour))
	for id, want := range map[int64][]Sample{1: wantP, 2: wantE} {
		checkRollups(t, "rolled up", r, id, want)
	}
	// The destination goes on where it was.
	got := served(t, s, "d", 7)
	if len(got) < 120 || len(got) > 142 || got[len(got)-1] != "1 unavailable" || !slices.Contains(got, "1 1800") || slices.Contains(got, "1 1700") {
		t.Errorf("sent %d readings, %v; want the last hour and what is new", len(got), got)
	}
	var v, n int
	if err := s.db.QueryRow(`SELECT max(version), count(*) FROM schema_version`).Scan(&v, &n); err != nil || v != 1 || n != 1 {
		t.Errorf("the form is %d after %d migrations (%v), want it left at 1", v, n, err)
	}
	f, err := s.measure(context.Background(), s.db)
	if err != nil || f.shrinks {
		t.Errorf("measure: got %+v, %v; want a file that cannot shrink", f, err)
	}
	checkStore(t, s)
}
