package bridge

import (
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/network"
)

func TestAvailabilityOptions(t *testing.T) {
	for name, tt := range map[string]struct {
		v    any
		want network.AvailabilityOptions
	}{
		"NotSet":   {nil, network.AvailabilityOptions{}},
		"On":       {true, network.AvailabilityOptions{}},
		"Off":      {false, network.AvailabilityOptions{Off: true}},
		"Timeout":  {map[string]any{"timeout": 2.5}, network.AvailabilityOptions{Timeout: 150 * time.Second}},
		"NoNumber": {map[string]any{"timeout": "x"}, network.AvailabilityOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := availabilityOptions(tt.v); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
