package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// servedForm is a file that the program before there were additions has written:
// three series, a reading of each every ten minutes for five hours from noon, and
// two destinations that were sent 85 and 20 of the 90.
func servedForm(t *testing.T) (path string) { return unpacked(t, "sealed-and-served.db.gz") }

func TestTheFirstFormOpens(t *testing.T) {
	for _, damaged := range []bool{false, true} {
		t.Run(fmt.Sprint("Damaged", damaged), func(t *testing.T) {
			path := servedForm(t)
			if damaged { // it has no copies of anything
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				clear(b[:100])
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s := open(t, path, Options{})
			settle(s)
			r := reader(t, path)
			for i := range 3 {
				want := Series{ID: int64(i + 1), Entity: fmt.Sprintf("e%d", i), Unit: "W", DeviceClass: "power", StateClass: "measurement",
					Device: "Meter", Key: "power", UniqueID: fmt.Sprintf("u%d", i)}
				if diff := cmp.Diff(want, s.Series()[want.ID]); diff != "" {
					t.Errorf("series (-want +got):\n%s", diff)
				}
				var samples []Sample
				for step := range 30 {
					samples = append(samples, wantSample(time.Duration(step)*10*time.Minute+time.Duration(i)*time.Second, float64(step*3+i)))
				}
				if diff := cmp.Diff(samples, allSamples(t, r, want.ID)); diff != "" {
					t.Errorf("samples of %s (-want +got):\n%s", want.Entity, diff)
				}
			}
			for name, want := range map[string]int{"influx": 5, "behind": 70, "new": 90} {
				b, err := s.Next(context.Background(), name, 1000)
				if err != nil || len(b.Items) != want {
					t.Errorf("%s is sent %d more (%v), want %d", name, len(b.Items), err, want)
				}
			}
			appendAll(t, s, at("e0", 6*time.Hour, 1))
			commit(t, s)
		})
	}
}

// What the program before writes, by its own statements, into a file of this one
// is in the copies too, and the file is sound.
func TestAnOlderProgramKeepsTheCopies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	register(t, s, "p", "W")
	appendAll(t, s, at("p", 0, 1), at("p", time.Second, 2))
	commit(t, s)
	if _, err := serve(s, 2); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		`INSERT OR REPLACE INTO series (id, rank, entity, unit, device_class, state_class, device, key, unique_id) VALUES (1, 2, 'p', 'W', 'power', '', 'Other', '', '')`,
		`INSERT OR REPLACE INTO series (id, rank, entity, unit, device_class, state_class, device, key, unique_id) VALUES (2, 3, 'q', 'W', 'power', '', 'Other', '', '')`,
		`INSERT INTO cursor (name, seq) VALUES ('d', 1) ON CONFLICT (name) DO UPDATE SET seq = 1`,
		`INSERT INTO cursor (name, seq) VALUES ('other', 2) ON CONFLICT (name) DO UPDATE SET seq = 2`,
		`INSERT INTO cursor (name, seq) VALUES ('probe/x', 0)`,
		`DELETE FROM cursor WHERE name LIKE 'probe/%'`,
	} {
		if _, err := s.db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if agree, err := copiesAgree(context.Background(), s.db); err != nil || !agree {
		t.Errorf("the copies agree: %v (%v)", agree, err)
	}
	var devices []string
	rows, err := s.db.Query(`SELECT device FROM series_copy ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var d string
		if err := rows.Scan(&d); err != nil {
			t.Fatal(err)
		}
		devices = append(devices, d)
	}
	if want := []string{"Other", "Other"}; !slices.Equal(devices, want) {
		t.Errorf("devices in the copy: got %q, want %q", devices, want)
	}
	rows.Close()
	if err := quickCheck(context.Background(), s.db); err != nil {
		t.Errorf("the file is not sound: %v", err)
	}
}
