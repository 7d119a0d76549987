package metrics

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/store"
)

func TestSoundnessIsTold(t *testing.T) {
	zone := time.FixedZone("UTC+1", 3600)
	at := time.Date(2026, 11, 3, 3, 0, 0, 0, time.UTC)
	hour := store.Lost{From: at, To: at.Add(time.Hour), Readings: 90}
	night := store.Lost{From: at.AddDate(0, 0, -2), To: at.AddDate(0, 0, -1)}
	for name, c := range map[string]struct {
		check store.Check
		want  string
	}{
		"Sound":    {store.Check{Checked: at}, ""},
		"Running":  {store.Check{Salvage: &store.Salvage{Began: at}}, "the store of readings was damaged; older readings are being taken over"},
		"Waits":    {store.Check{Salvage: &store.Salvage{Began: at, Waits: "no room"}}, "the store of readings was damaged; new readings are stored, older ones wait to be taken over: no room"},
		"AllSaved": {store.Check{Salvage: &store.Salvage{Began: at, Ended: at, Saved: 9}}, ""},
		"Gone":     {store.Check{Salvage: &store.Salvage{Began: at, Ended: at}}, "the store of readings was lost and a new one begun"},
		"Lost": {store.Check{Salvage: &store.Salvage{Began: at, Ended: at, Saved: 9, Lost: []store.Lost{hour}}},
			"readings of 3 Nov 2026 04:00–05:00 were lost, because the store was damaged"},
		"LongAgo": {store.Check{Salvage: &store.Salvage{Began: at, Ended: at.AddDate(0, -2, 0), Lost: []store.Lost{hour}}}, ""},
		"Bad": {store.Check{Bad: []store.Lost{night, hour, hour, hour, hour}},
			"readings of 1 Nov 2026 04:00 – 2 Nov 2026 04:00, 3 Nov 2026 04:00–05:00, 3 Nov 2026 04:00–05:00, 2 more cannot be read any more"},
	} {
		t.Run(name, func(t *testing.T) {
			got, hint := soundness(c.check, at.Add(time.Hour), zone)
			if got != c.want || (hint == "") != (got == "") {
				t.Errorf("got %q, hint %q; want %q", got, hint, c.want)
			}
		})
	}
}

// What a client reads is what the store says.
func TestSoundnessTravels(t *testing.T) {
	at := time.Date(2026, 11, 3, 3, 0, 0, 0, time.UTC)
	lost := store.Lost{From: at, To: at.Add(time.Hour), Readings: 90}
	said, err := json.Marshal(store.Check{Checked: at, Running: true, Bad: []store.Lost{lost},
		Salvage: &store.Salvage{Began: at, Ended: at, Cause: "c", Saved: 5, Lost: []store.Lost{lost}, Waits: "w"}})
	if err != nil {
		t.Fatal(err)
	}
	want := client.Lost{From: at, To: at.Add(time.Hour), Readings: 90}
	var got client.Soundness
	if err := json.Unmarshal(said, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(client.Soundness{Checked: at, Running: true, Bad: []client.Lost{want},
		Salvage: &client.Salvage{Began: at, Ended: at, Cause: "c", Saved: 5, Lost: []client.Lost{want}, Waits: "w"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
