package store

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// refusedAt are n readings of series 1 that a destination does not take.
func refusedAt(n int, from time.Time, reason string) (list []Aside) {
	for i := range n {
		at := from.Add(time.Duration(i) * time.Second)
		list = append(list, Aside{Item: Item{Series: 1, Time: at, Value: float64(i)}, Line: fmt.Sprint("a value=", i), Reason: reason, Put: noon})
	}
	return list
}

func TestAsideIsKeptOnceAndAcrossOpening(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	put := func(name string, list []Aside) {
		t.Helper()
		if err := s.PutAside(ctx, name, list); err != nil {
			t.Fatal(err)
		}
	}
	put("x", refusedAt(3, noon, "first"))
	put("x", refusedAt(2, noon, "second")) // the same readings, as after a crash before the cursor moved
	put("x", []Aside{{Item: Item{Series: 1, Time: noon, Text: "on"}, Line: `a state="on"`, Reason: "text", Put: noon}})
	put("y", refusedAt(1, noon, "another's"))
	s.Close()
	s = open(t, path, Options{})
	list, err := s.ListAside(ctx, "x", 0, 10, false)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range list {
		got = append(got, fmt.Sprint(a.Line, " ", a.Time.UTC().Format(time.TimeOnly), " ", a.Value, a.Text, " ", a.Reason))
	}
	want := []string{"a value=0 12:30:00 0 second", "a value=1 12:30:01 1 second", "a value=2 12:30:02 2 first", `a state="on" 12:30:00 0on text`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("aside (-want +got):\n%s", diff)
	}
	rest, err := s.ListAside(ctx, "x", list[1].ID, 1, false)
	if err != nil || len(rest) != 1 || rest[0].ID != list[2].ID {
		t.Errorf("the one after the second: got %+v, %v", rest, err)
	}

	if list, err := s.ListAside(ctx, "x", 0, 10, true); err != nil || len(list) != 0 {
		t.Errorf("before it was said, %d are to be sent again, %v", len(list), err)
	}
	if n, err := s.MarkAside(ctx, "x"); err != nil || n != 4 {
		t.Fatalf("MarkAside: got %d, %v", n, err)
	}
	list, err = s.ListAside(ctx, "x", 0, 10, true)
	if err != nil || len(list) != 4 {
		t.Fatalf("to be sent again: got %d, %v, want 4", len(list), err)
	}
	still := list[3]
	still.Reason = "again"
	if err := s.SettleAside(ctx, "x", []int64{list[0].ID, list[1].ID, list[2].ID}, []Aside{still}); err != nil {
		t.Fatal(err)
	}
	list, err = s.ListAside(ctx, "x", 0, 10, false)
	if err != nil || len(list) != 1 || list[0].Reason != "again" || list[0].Again {
		t.Errorf("after it was settled: got %+v, %v", list, err)
	}
	if kept, _, err := s.AsideCount(ctx, "y"); err != nil || kept != 1 {
		t.Errorf("of another destination: got %d, %v, want 1", kept, err)
	}
}

// What there is no room for is counted: the table does not grow, and a flood does
// not wear the card.
func TestAsideIsBounded(t *testing.T) {
	ctx := context.Background()
	s := open(t, filepath.Join(t.TempDir(), "hems.db"), Options{})
	all := refusedAt(MaxAside+500, noon, "no")
	for from := 0; from < len(all); from += 5000 {
		if err := s.PutAside(ctx, "x", all[from:min(from+5000, len(all))]); err != nil {
			t.Fatal(err)
		}
	}
	kept, more, err := s.AsideCount(ctx, "x")
	if err != nil || kept != MaxAside || more != 500 {
		t.Errorf("got %d and %d more, %v; want %d and 500", kept, more, err, MaxAside)
	}
	list, err := s.ListAside(ctx, "x", 0, MaxAside, false)
	if err != nil || len(list) != MaxAside || list[0].Line != "a value=0" {
		t.Fatalf("got %d, %v; want the first %d", len(list), err, MaxAside)
	}
	var ids []int64
	for _, a := range list {
		ids = append(ids, a.ID)
	}
	if err := s.SettleAside(ctx, "x", ids, nil); err != nil {
		t.Fatal(err)
	}
	if kept, more, err := s.AsideCount(ctx, "x"); err != nil || kept != 0 || more != 0 {
		t.Errorf("when all were taken: got %d and %d more, %v; want none", kept, more, err)
	}
}
