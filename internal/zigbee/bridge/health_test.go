package bridge

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/health"
)

// unplugged is an error as a line has it: for a technician and for a
// householder.
type unplugged struct{}

func (unplugged) Error() string                 { return "there is no dongle at /dev/ttyACM0" }
func (unplugged) Hint() string                  { return "look under /dev/serial" }
func (unplugged) Householder() (string, string) { return "the dongle is unplugged", "plug it back in" }

func TestHealthSpeaksToAHouseholder(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want health.Report
	}{
		{"PlainWords", fmt.Errorf("opening: %w", unplugged{}), health.Report{State: health.Failing, Message: "the dongle is unplugged", Hint: "plug it back in",
			Detail: "opening: there is no dongle at /dev/ttyACM0; look under /dev/serial"}},
		{"None", errors.New("strange"), health.Report{State: health.Failing, Message: "strange"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, failing(tt.err)); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}
