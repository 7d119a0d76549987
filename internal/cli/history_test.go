package cli

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/store"
)

// pastSite is a site with two hours of a meter's readings: from 2026-01-20T00:00
// on, local, 600 W, and 1200 W in the second hour; nothing from 00:20 to 01:00.
func pastSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	kept, err := store.Open(filepath.Join(s.dir, "hems.db"), store.Options{CommitInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	for _, d := range []store.Series{
		{Entity: "house_power", Unit: "W", Domain: "sensor", DeviceClass: "power", StateClass: "measurement", Device: "House", Key: "power"},
		{Entity: "house_energy", Unit: "kWh", Domain: "sensor", DeviceClass: "energy", StateClass: "total_increasing", Device: "House", Key: "energy"},
		{Entity: "house_mode", Domain: "select", Device: "House", Key: "mode"},
	} {
		if _, err := kept.Register(d); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Date(2026, 1, 20, 0, 0, 0, 0, time.Local)
	for i := 0; i <= 24; i++ {
		if i > 4 && i < 12 {
			continue
		}
		at, watt, kWh := begin.Add(time.Duration(i)*5*time.Minute), 600.0, 100+float64(min(i, 12))/20
		if i >= 12 {
			watt, kWh = 1200, kWh+float64(i-12)/10
		}
		if err := kept.Append(store.Reading{Entity: "house_power", Time: at, Value: watt}, store.Reading{Entity: "house_energy", Time: at, Value: kWh}); err != nil {
			t.Fatal(err)
		}
	}
	if err := kept.Append(store.Reading{Entity: "house_mode", Time: begin, Text: "eco\x1b[31m"}); err != nil {
		t.Fatal(err)
	}
	if err := kept.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestHistory(t *testing.T) {
	s := pastSite(t)
	const span = "2026-01-20T02:00"
	for _, tt := range []struct{ name, args, want string }{
		{"Power", "power -entity house_power -from 2026-01-20 -to " + span + " -step 30m", `
house_power              mean W          min          max
Tue 20 Jan 00:00          600.0        600.0        600.0
Tue 20 Jan 01:00         1200.0       1200.0       1200.0
Tue 20 Jan 01:30         1200.0       1200.0       1200.0
missing: Tue 20 Jan 2026 00:20 to Tue 20 Jan 2026 01:00
`},
		{"Raw", "power -entity house_power -from 2026-01-20T00:18 -to 2026-01-20T00:22 -step raw", `
house_power                   W
Tue 20 Jan 00:20:00          600
`},
		{"Energy", "energy -entity house_energy -from 2026-01-20 -to 2026-01-20T03:00 -step hour -windows smart", `
house_energy, import
                            kWh      peak kW        night
Tue 20 Jan 00:00         ~0.600        0.600        0.600
Tue 20 Jan 01:00          1.200        1.200        1.200
Tue 20 Jan 02:00              –            –            –
together                 …1.800        1.200        1.800
missing: Tue 20 Jan 2026 02:00 to Tue 20 Jan 2026 03:00
`},
		{"Peaks", "peaks -entity house_power -from 2026-01-20 -to 2026-01-20T03:00 -step hour", `
house_power               max W           at         mean          min
Tue 20 Jan 00:00          600.0 20 Jan 00:00        600.0        600.0
Tue 20 Jan 01:00         1200.0 20 Jan 01:00       1200.0       1200.0
Tue 20 Jan 02:00         1200.0 20 Jan 02:00       1200.0       1200.0
together                 1200.0 20 Jan 01:00       1033.3        600.0
missing: Tue 20 Jan 2026 00:20 to Tue 20 Jan 2026 01:00
missing: Tue 20 Jan 2026 02:00 to Tue 20 Jan 2026 03:00
`},
		{"Series", "series", `
house_power   W       House
house_energy  kWh     House
house_mode            House
energy: house_energy, import, own
`},
		{"State", "state -entity house_mode -from 2026-01-20", `
Tue 20 Jan 2026 00:00:00  eco�[31m
`},
		{"AlwaysOn", "always-on -entity house_power -from 2026-01-20", `
always on: 600.0 W, by the lowest twentieth of house_power from Tue 20 Jan 2026 00:00 to 06:00
`},
		{"AlwaysOnOfNoNight", "always-on -entity house_power -from 2026-01-18", `
missing: there are not enough readings of house_power from Sun 18 Jan 2026 00:00 to 06:00
`},
		{"NothingThere", "power -entity house_power -from 2025-12-24 -to 2025-12-24", `
house_power              mean W          min          max
missing: Wed 24 Dec 2025 00:00 to Thu 25 Dec 2025 00:00
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := s.run(append([]string{"history", "HOST"}, strings.Fields(tt.args)...)...)
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), got.out); got.status != 0 || got.errors != "" || diff != "" {
				t.Errorf("status %d, %s(-want +got):\n%s", got.status, got.errors, diff)
			}
		})
	}
	s.runWith(map[string]string{"HEMS_URL": s.url, "HEMS_USER": "owner", "HEMS_PASSWORD": "a cup of tea"}, "history", "series").check(t, 0, "house_power", "")
}

func TestHistoryForPrograms(t *testing.T) {
	s := pastSite(t)
	got := s.run("history", "HOST", "energy", "-entity", "house_energy", "-from", "2026-01-20", "-to", "2026-01-20T03:00", "-step", "hour", "-format", "csv")
	got.check(t, 0, "house_energy,import,", "note: readings are missing in this range\n")
	if lines := strings.Count(got.out, "\n"); lines != 4 {
		t.Errorf("got %d lines of CSV, want the columns and three hours", lines)
	}
	s.run("history", "HOST", "power", "-entity", "house_power", "-from", "2026-01-20T01:00", "-to", "2026-01-20T02:00", "-step", "30m", "-format", "csv").check(t, 0, "time,min (W)", "")
	var v client.Energy
	got = s.run("history", "HOST", "energy", "-entity", "house_energy", "-from", "2026-01-20", "-to", "2026-01-20T03:00", "-json")
	if err := json.Unmarshal([]byte(got.out), &v); err != nil || got.status != 0 || len(v.Meters) != 1 || v.Meters[0].Total.KWh.String() != "1.8" {
		t.Errorf("as JSON: got %+v, %v", got, err)
	}
}

func TestHistoryAskedWrong(t *testing.T) {
	s := pastSite(t)
	for _, tt := range []struct {
		args, errors string
		status       int
	}{
		{"history HOST", "error: hems history needs more words\nhint: hems history -h\n", 2},
		{"history HOST gossip", "error: \"gossip\" is no question of hems history\nhint: hems history -h\n", 2},
		{"history HOST power -format xml", "error: there is no format \"xml\"\nhint: table, csv or json\n", 2},
		{"history HOST power -entity nothing", "error: history of nothing: entity has not been registered\nhint: the question series lists what there is\n", 1},
		{"history HOST power -entity nothing -format csv", "error: history of nothing: ", 1},
		{"history HOST power -entity house_power -from 2026-01-20 -to 2026-01-19", "error: history of house_power: the range is empty", 1},
		{"history HOST power -entity house_power -step 1ms", "error: \"1ms\" is no step: ", 1},
		{"history HOST energy", "error: nothing measures the house yet, and no entity was named\n", 1},
		{"history -h", "usage: hems history HOST power", 0},
	} {
		s.run(strings.Fields(tt.args)...).check(t, tt.status, "", tt.errors)
	}
	var e client.Error
	if got := s.run("history", "HOST", "power", "-entity", "nothing", "-json"); json.Unmarshal([]byte(got.out), &e) != nil || e.Code != "unknown_entity" || got.status != 1 {
		t.Errorf("as JSON: got %+v", got)
	}
}

func TestBar(t *testing.T) {
	for _, tt := range []struct {
		v, most float64
		want    string
	}{
		{0, 100, ""}, {-5, 100, ""}, {5, 0, ""}, {100, 100, strings.Repeat("█", barWidth)}, {50, 100, strings.Repeat("█", barWidth/2)},
		{100. / barWidth * 2.5, 100, "██▌"}, {0.01, 100, ""}, {1, 100, "▍"},
	} {
		if got := bar(tt.v, tt.most); got != tt.want {
			t.Errorf("%v of %v: got %q, want %q", tt.v, tt.most, got, tt.want)
		}
	}
}
