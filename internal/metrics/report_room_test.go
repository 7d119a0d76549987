package metrics

import (
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

func TestWantOfRoomIsTold(t *testing.T) {
	zone := time.FixedZone("UTC+1", 3600)
	since := time.Date(2026, 11, 2, 23, 30, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		room store.Room
		want string
	}{
		"Enough":      {store.Room{}, ""},
		"EnoughAgain": {store.Room{Since: since}, ""},
		"NothingGone": {store.Room{Short: "the disk is nearly full"}, ""},
		"Short": {store.Room{Short: "they take their share of the disk, 50% of 8000 MB", Since: since},
			"the readings before 3 November 2026 were deleted, because they take their share of the disk, 50% of 8000 MB; what they came to in five minutes and days is kept"},
	} {
		t.Run(name, func(t *testing.T) {
			got, hint := shortage(c.room, zone)
			if got != c.want || (hint == "") != (got == "") {
				t.Errorf("got %q, hint %q; want %q", got, hint, c.want)
			}
		})
	}
}
