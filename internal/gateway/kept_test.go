package gateway

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/history"
	"github.com/smartcore-ireland/hems/internal/store"
)

// keptReadings gives a house a store with an hour of a meter's readings in it.
func keptReadings(t *testing.T) setting {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hems.db")
	s, err := store.Open(path, store.Options{CommitInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, d := range []store.Series{
		{Entity: "house_power", Unit: "W", DeviceClass: "power", Device: "House", Key: "power"},
		{Entity: "house_energy", Unit: "kWh", DeviceClass: "energy", StateClass: "total_increasing", Device: "House", Key: "energy"},
	} {
		if _, err := s.Register(d); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now().Add(-time.Hour)
	for i := range 60 {
		at := begin.Add(time.Duration(i) * time.Minute)
		if err := s.Append(store.Reading{Entity: "house_power", Time: at, Value: 600}, store.Reading{Entity: "house_energy", Time: at, Value: 100 + float64(i)/100}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	return func(o *Options) {
		p := o.History.(*past)
		p.History = history.Open(path)
		t.Cleanup(func() { p.Close() })
	}
}
