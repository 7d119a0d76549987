package history

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/store"
)

func TestStates(t *testing.T) {
	s, h := home(t)
	said := func(d store.Series, readings ...store.Reading) {
		t.Helper()
		if _, err := s.Register(d); err != nil {
			t.Fatal(err)
		}
		for _, r := range readings {
			r.Entity = d.Entity
			if err := s.Append(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Commit(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	text := func(at time.Duration, v string) store.Reading { return store.Reading{Time: after(at), Text: v} }
	number := func(at time.Duration, v float64) store.Reading { return store.Reading{Time: after(at), Value: v} }
	const hour = time.Hour
	said(store.Series{Entity: "mode", Domain: "select", UniqueID: "m"}, text(-2*hour, "eco"), text(-hour, "comfort"), text(hour, "comfort"), text(2*hour, "eco"))
	said(store.Series{Entity: "new_mode", Domain: "select", UniqueID: "m"}, text(3*hour, "off"))
	said(store.Series{Entity: "door", Domain: "binary_sensor"}, number(hour, 0), number(2*hour, 0), number(3*hour, 1), number(4*hour, 0))
	said(store.Series{Entity: "level"}, number(-hour, 1.5), number(hour, 1.5), number(2*hour, 2))
	state := func(at time.Duration, v string) State { return State{after(at).Local(), v} }
	for _, tt := range []struct {
		name, entity string
		from, to     time.Duration
		want         []State
	}{
		{"Texts", "mode", 0, 24 * hour, []State{state(-hour, "comfort"), state(2*hour, "eco"), state(3*hour, "off")}},
		{"UnderANewName", "new_mode", 150 * time.Minute, 24 * hour, []State{state(2*hour, "eco"), state(3*hour, "off")}},
		{"NothingChanges", "mode", 10 * time.Minute, 30 * time.Minute, []State{state(-hour, "comfort")}},
		{"OnAndOff", "door", 0, 24 * hour, []State{state(hour, "off"), state(3*hour, "on"), state(4*hour, "off")}},
		{"Numbers", "level", 0, 24 * hour, []State{state(-hour, "1.5"), state(2*hour, "2")}},
		{"NothingYet", "door", 0, hour, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := h.States(context.Background(), tt.entity, after(tt.from), after(tt.to))
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("%v; states (-want +got):\n%s", err, diff)
			}
		})
	}
	if _, err := h.States(context.Background(), "mode", after(0), after(0)); !errors.Is(err, ErrRange) {
		t.Errorf("an empty range: got %v, want ErrRange", err)
	}
	if _, err := h.States(context.Background(), "x", after(0), after(1)); !errors.Is(err, ErrUnknownEntity) {
		t.Errorf("an unknown entity: got %v, want ErrUnknownEntity", err)
	}
}
