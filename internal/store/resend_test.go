package store

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestADestinationBeginsWhereItIsToldTo(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "hems.db")
	s, all := mixed(t, path, &clock{t: noon}) // a commit every quarter of an hour
	end, err := s.End(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name  string
		after time.Duration
		want  []string
	}{
		{"Everything", -time.Hour, all},
		{"AtTheFirst", 0, all},
		{"AtACommit", 30 * time.Minute, all[slices.Index(all, "2 on2"):]}, // of texts only
		{"BetweenCommits", 40 * time.Minute, all[slices.Index(all, "1 3"):]},
		{"AfterEverything", 24 * time.Hour, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := s.PositionAt(ctx, noon.Add(tc.after))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Begin(ctx, tc.name, p); err != nil {
				t.Fatal(err)
			}
			if err := s.Begin(ctx, tc.name, end); err != nil { // it exists by now
				t.Fatal(err)
			}
			oldest, err := s.Oldest(ctx, tc.name)
			if late := max(tc.after, 0); err != nil || oldest.IsZero() != (tc.want == nil) || !oldest.IsZero() && oldest.Before(noon.Add(late)) {
				t.Errorf("Oldest: got %v, %v", oldest, err)
			}
			if diff := cmp.Diff(tc.want, served(t, s, tc.name, 3)); diff != "" {
				t.Errorf("what is served (-want +got):\n%s", diff)
			}
		})
	}
	if p, known, err := s.Position(ctx, "nobody"); err != nil || known || p != (Position{}) {
		t.Errorf("one that does not exist: got %v, %v, %v", p, known, err)
	}
}

// A cursor that is moved back serves everything from there again, however what
// lies there was sealed meanwhile, and never jumps ahead.
func TestRewind(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprint("sealed=", sealed), func(t *testing.T) {
			ctx := context.Background()
			path := filepath.Join(t.TempDir(), "hems.db")
			c := &clock{t: noon}
			s, all := mixed(t, path, c)
			var marks []Position
			for {
				p, _, err := s.Position(ctx, "d")
				if err != nil {
					t.Fatal(err)
				}
				marks = append(marks, p)
				b := next(t, s, "d", 1)
				if len(b.Items) == 0 {
					break
				}
				advance(t, s, "d", b)
			}
			if sealed {
				c.set(noon.Add(24 * time.Hour))
				if err := s.sweep(ctx); err != nil {
					t.Fatal(err)
				}
			}
			for i, p := range marks {
				if err := s.Rewind(ctx, "d", p); err != nil {
					t.Fatal(err)
				}
				got := served(t, s, "d", 2)
				slices.Sort(got)
				for _, want := range all[i:] {
					if !slices.Contains(got, want) {
						t.Errorf("from the %d. reading on: %q is not served again", i, want)
					}
				}
				if len(got) != len(slices.Compact(got)) {
					t.Errorf("from the %d. reading on: something is served twice: %q", i, got)
				}
			}
			if err := s.Rewind(ctx, "d", marks[0]); err != nil {
				t.Fatal(err)
			}
			end, err := s.End(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Rewind(ctx, "d", end); err != nil {
				t.Fatal(err)
			}
			if n, err := s.Backlog(ctx, "d"); err != nil || int(n) != len(all) {
				t.Errorf("moved back to what lies ahead: a backlog of %d, %v; want all %d", n, err, len(all))
			}
		})
	}
}

func TestWhatIsSafeIsKept(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "hems.db")
	s, _ := mixed(t, path, &clock{t: noon})
	if _, known, err := s.Safe(ctx, "d"); known || err != nil {
		t.Errorf("before it was said: %v, %v", known, err)
	}
	want, err := s.PositionAt(ctx, noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []Position{{position{1, 2}}, want} {
		if err := s.KeepSafe(ctx, "d", p); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	s = open(t, path, Options{})
	if p, known, err := s.Safe(ctx, "d"); p != want || !known || err != nil {
		t.Errorf("got %v, %v, %v; want %v", p, known, err, want)
	}
}

// What follows a batch is looked at without taking it.
func TestAfter(t *testing.T) {
	s, all := mixed(t, filepath.Join(t.TempDir(), "hems.db"), &clock{t: noon})
	b := next(t, s, "d", 3)
	items, err := s.After(context.Background(), b, 2)
	if err != nil || len(items) != 2 {
		t.Fatalf("got %v, %v", items, err)
	}
	advance(t, s, "d", b)
	if got := next(t, s, "d", 2); !slices.Equal(got.Items, items) {
		t.Errorf("got %v, want what was looked at: %v", got.Items, items)
	}
	if n, err := s.Backlog(context.Background(), "d"); err != nil || int(n) != len(all)-3 {
		t.Errorf("backlog: got %d, %v; want %d", n, err, len(all)-3)
	}
}
