package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func say(entity string, d time.Duration, text string) Reading {
	return Reading{Entity: entity, Time: noon.Add(d), Text: text}
}

func wantText(d time.Duration, text string) TextSample {
	return TextSample{Milli: noon.Add(d).UnixMilli(), Text: text}
}

func allTexts(t *testing.T, r *Reader, series int64) []TextSample {
	t.Helper()
	s, err := r.Texts(context.Background(), series, time.UnixMilli(0), time.UnixMilli(maxMilli))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// served takes everything a cursor has yet to be served, in batches of limit
// items, each as "series value" or "series text".
func served(t *testing.T, s *Store, name string, limit int) (all []string) {
	t.Helper()
	for {
		b, err := s.Next(context.Background(), name, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Items) == 0 {
			return all
		}
		for _, i := range b.Items {
			if i.Text != "" {
				all = append(all, fmt.Sprint(i.Series, " ", i.Text))
			} else {
				all = append(all, fmt.Sprint(i.Series, " ", i.Value))
			}
		}
		if err := s.Advance(context.Background(), name, b); err != nil {
			t.Fatal(err)
		}
	}
}

// mixed is a store with numbers and texts in several commits over three hours,
// and what a destination is to be served of it, in order.
func mixed(t *testing.T, path string, c *clock) (s *Store, want []string) {
	t.Helper()
	s = open(t, path, Options{Now: c.now})
	power, door := register(t, s, "power", "W"), register(t, s, "door", "")
	for i := range 12 {
		d := time.Duration(i) * 15 * time.Minute
		if i%3 != 2 { // else texts only
			appendAll(t, s, at("power", d, float64(i)))
			want = append(want, fmt.Sprint(power, " ", i))
		}
		if i%4 != 0 { // else numbers only
			appendAll(t, s, say("door", d, fmt.Sprint("on", i)), say("power", d+1, fmt.Sprint("unavailable", i)))
			want = append(want, fmt.Sprint(door, " on", i), fmt.Sprint(power, " unavailable", i))
		}
		commit(t, s)
	}
	return s, want
}

func TestTextsAreServedInOrder(t *testing.T) {
	for _, limit := range []int{1, 2, 3, 100} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "hems.db")
			c := &clock{t: noon}
			s, want := mixed(t, path, c)
			if n, err := s.Backlog(context.Background(), "d"); err != nil || int(n) != len(want) {
				t.Errorf("Backlog: got %d, %v; want %d", n, err, len(want))
			}
			if diff := cmp.Diff(want, served(t, s, "d", limit)); diff != "" {
				t.Errorf("what was served (-want +got):\n%s", diff)
			}
			if n, err := s.Backlog(context.Background(), "d"); err != nil || n != 0 {
				t.Errorf("Backlog after everything was served: got %d, %v; want 0", n, err)
			}
			s.Close()
			s = open(t, path, Options{Now: c.now})
			appendAll(t, s, say("door", 4*time.Hour, "off"))
			commit(t, s)
			if diff := cmp.Diff([]string{"2 off"}, served(t, s, "d", limit)); diff != "" {
				t.Errorf("after opening again (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSealedTextsAreServedOnce(t *testing.T) {
	for before := range 22 { // items served before the hours are sealed
		path := filepath.Join(t.TempDir(), "hems.db")
		c := &clock{t: noon}
		s, want := mixed(t, path, c)
		r := reader(t, path)
		texts := allTexts(t, r, 2)
		got := map[string]int{}
		for range before {
			b, err := s.Next(context.Background(), "d", 1)
			if err != nil || len(b.Items) != 1 {
				t.Fatalf("got %v, %v", b, err)
			}
			if i := b.Items[0]; i.Text != "" {
				got[fmt.Sprint(i.Series, " ", i.Text)]++
			} else {
				got[fmt.Sprint(i.Series, " ", i.Value)]++
			}
			if err := s.Advance(context.Background(), "d", b); err != nil {
				t.Fatal(err)
			}
		}
		c.set(noon.Add(6 * time.Hour))
		if err := s.sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(texts, allTexts(t, r, 2)); diff != "" {
			t.Errorf("texts after sealing (-before +after):\n%s", diff)
		}
		var rows int
		if err := s.db.QueryRow(`SELECT count(*) FROM text`).Scan(&rows); err != nil || rows != 4 {
			t.Errorf("got %d rows of texts after sealing (%v), want one for each of 4 hours", rows, err)
		}
		for _, i := range served(t, s, "d", 2) {
			got[i]++
		}
		for _, i := range want {
			if got[i] != 1 {
				t.Errorf("with %d served before sealing: %q was served %d times, want once", before, i, got[i])
			}
		}
	}
}

// An older program moves the cursor of numbers alone: the texts follow when a
// newer one is back.
func TestTextsThatAnOlderProgramLeftAreServed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s, _ := mixed(t, path, &clock{t: noon})
	if _, err := s.db.Exec(`INSERT INTO cursor (name, seq) VALUES ('d', (SELECT max(last) FROM segment))`); err != nil {
		t.Fatal(err)
	}
	appendAll(t, s, at("power", 5*time.Hour, 99), say("door", 5*time.Hour, "last"))
	commit(t, s)
	got := served(t, s, "d", 5)
	if len(got) != 20 || got[0] != "2 on1" || got[17] != "1 unavailable11" || got[18] != "1 99" || got[19] != "2 last" {
		t.Errorf("got %d items, %v; want the 18 texts that were left and then what is new", len(got), got)
	}
}

func TestTextsAreRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	door := register(t, s, "door", "")
	appendAll(t, s, say("door", 0, "on"), say("door", time.Minute, "off"), say("door", time.Minute, "on"))
	commit(t, s)
	appendAll(t, s, say("door", -time.Hour, "late"))
	commit(t, s)
	appendAll(t, s, say("door", 2*time.Minute, "waits"))
	r := readerBeside(t, s, ReaderOptions{})
	want := []TextSample{wantText(-time.Hour, "late"), wantText(0, "on"), wantText(time.Minute, "off"), wantText(time.Minute, "on"), wantText(2*time.Minute, "waits")}
	for range 2 {
		if diff := cmp.Diff(want, allTexts(t, r, door)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for before, want := range map[time.Duration]TextSample{
			0: want[0], 1: want[1], time.Minute: want[1], time.Minute + 1: want[3], time.Hour: want[4],
		} {
			if got, ok, err := r.TextBefore(context.Background(), door, noon.Add(before)); err != nil || !ok || got != want {
				t.Errorf("TextBefore %v: got %v %v %v, want %v", before, got, ok, err, want)
			}
		}
		if _, ok, err := r.TextBefore(context.Background(), door, noon.Add(-time.Hour)); ok || err != nil {
			t.Errorf("TextBefore the first: got %v, %v, want nothing", ok, err)
		}
		commit(t, s)
	}
	if got := allSamples(t, r, door); len(got) != 0 {
		t.Errorf("texts among the samples: %v", got)
	}
}

func TestTextsAreCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	id := register(t, s, "t", "")
	for i, tc := range []struct{ text, want string }{
		{"on", "on"},
		{strings.Repeat("ä", MaxText), strings.Repeat("ä", MaxText)},
		{strings.Repeat("ä", MaxText+1), strings.Repeat("ä", MaxText)},
		{strings.Repeat("x", 1<<20), strings.Repeat("x", MaxText)},
		{"a\xffb", "a\ufffdb"},
		{"two\nlines", "two\nlines"},
	} {
		d := time.Duration(i) * time.Second
		// The value of a text means nothing.
		appendAll(t, s, Reading{Entity: "t", Time: noon.Add(d), Text: tc.text, Value: math.NaN()})
		commit(t, s)
		got, ok, err := reader(t, path).TextBefore(context.Background(), id, noon.Add(d+1))
		if err != nil || !ok || got.Text != tc.want {
			t.Errorf("%.20q…: got %.20q… of %d bytes, %v %v", tc.text, got.Text, len(got.Text), ok, err)
		}
	}
}

func TestDamagedTextsAreLeftOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	var log strings.Builder
	s := open(t, path, Options{Log: logTo(&log)})
	id := register(t, s, "t", "")
	for i := range 3 {
		appendAll(t, s, say("t", time.Duration(i)*time.Second, fmt.Sprint(i)))
		commit(t, s)
	}
	if _, err := s.db.Exec(`UPDATE text SET data = x'00' WHERE first = 2`); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]TextSample{wantText(0, "0"), wantText(2*time.Second, "2")}, allTexts(t, reader(t, path), id)); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1 0", "1 2"}, served(t, s, "d", 1)); diff != "" {
		t.Errorf("served (-want +got):\n%s", diff)
	}
	if !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("log: got %q, want a loud word about it", log.String())
	}
}

func TestDomainIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	want := Series{Entity: "door", Domain: "binary_sensor", DeviceClass: "door"}
	id, err := s.Register(want)
	if err != nil {
		t.Fatal(err)
	}
	want.ID = id
	s.Close()
	s = open(t, path, Options{})
	if diff := cmp.Diff(map[int64]Series{id: want}, s.Series()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got, err := reader(t, path).Series(context.Background())
	if diff := cmp.Diff([]Series{want}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// textCases are rows of texts.
var textCases = map[string][]textItem{
	"One":  {{seq: 7, sid: 1, TextSample: TextSample{Milli: 1_700_000_000_000, Text: "on"}}},
	"Some": {{seq: 7, sid: 300, TextSample: TextSample{5, "ä\n"}}, {seq: 9, sid: 1, TextSample: TextSample{1_700_000_000_000, "off"}}, {seq: maxSeq, sid: 300, TextSample: TextSample{1, ""}}},
}

func TestTextRowsAreReadAsWritten(t *testing.T) {
	for name, want := range textCases {
		t.Run(name, func(t *testing.T) {
			var e encoder
			b, err := e.texts(want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := decodeTexts(7, b)
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(textItem{})); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func FuzzTexts(f *testing.F) {
	for _, items := range textCases {
		var e encoder
		b, err := e.texts(items)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(e.plain, b)
	}
	f.Fuzz(func(t *testing.T, plain, b []byte) {
		var e encoder
		whole, err := e.pack(textForm, plain)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{b, whole} {
			items, err := decodeTexts(7, b)
			if err != nil {
				if !errors.Is(err, errBlob) {
					t.Errorf("got error %v, want one about damage", err)
				}
				continue
			}
			b, err := e.texts(items)
			if err != nil {
				t.Fatal(err)
			}
			again, err := decodeTexts(items[0].seq, b)
			if diff := cmp.Diff(items, again, cmp.AllowUnexported(textItem{})); err != nil || diff != "" {
				t.Errorf("read, written and read again: %v\n%s", err, diff)
			}
		}
	})
}

// TestLatest: numbers and texts, of each entity's series.
func TestLatest(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "hems.db"), Options{CommitInterval: time.Hour, soon: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := time.UnixMilli(1_790_000_000_000)
	for _, d := range []Series{{Entity: "power", Unit: "W"}, {Entity: "power", Unit: "kW"}, {Entity: "mode"}, {Entity: "old"}, {Entity: "never"}} {
		if _, err := s.Register(d); err != nil {
			t.Fatal(err)
		}
	}
	commit := func(readings ...Reading) {
		t.Helper()
		if err := errors.Join(s.Append(readings...), s.Commit(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	commit(Reading{Entity: "old", Time: at, Value: 1})
	for i := range time.Duration(keptOrigins) {
		commit(Reading{Entity: "power", Time: at.Add(i), Value: 1}, Reading{Entity: "power", Time: at.Add(i * time.Second), Value: 2},
			Reading{Entity: "mode", Time: at.Add(2 * i * time.Second), Text: "eco"})
	}
	got, err := s.Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]time.Time{"power": at.Add((keptOrigins - 1) * time.Second), "mode": at.Add(2 * (keptOrigins - 1) * time.Second)}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
