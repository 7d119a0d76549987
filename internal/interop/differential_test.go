//go:build interop

package interop

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/interop/jsondiff"
)

var (
	devices  = flag.String("devices", "", "models TestDifferential pairs, separated by commas")
	payloads = ""
)

// TestDifferential lets the real Zigbee2MQTT and ours live through the same
// script with the same house, at the same time but apart, and compares what
// they said.
func TestDifferential(t *testing.T) {
	var a, b *side
	t.Run("live", func(t *testing.T) {
		t.Run("zigbee2mqtt", func(t *testing.T) { t.Parallel(); a = theirs(t, *devices); a.live(t) })
		t.Run("hems", func(t *testing.T) { t.Parallel(); b = ours(t, *devices); b.live(t) })
	})
	if t.Failed() {
		return
	}
	found := compareSides(a, b)
	if *record != "" {
		put(t, filepath.Join(*record, "differences.txt"), strings.Join(found, "\n")+"\n")
	}
	for _, one := range found {
		t.Log(one)
	}
}

// live goes through the script.
func (s *side) live(t *testing.T) {
	began := time.Now()
	for _, step := range script {
		step.do(t, s)
		s.quiet(1500*time.Millisecond, 15*time.Second)
		s.close(t, step.name)
		t.Logf("%5.1f s: %s", time.Since(began).Seconds(), step.name)
	}
}

func compareSides(a, b *side) (found []string) {
	for i := range min(len(a.moments), len(b.moments)) {
		x, y := a.moments[i], b.moments[i]
		found = append(found, differences(x.name+" retained", x.retained, y.retained)...)
		live := func(m moment) map[string]any {
			all := map[string]any{}
			for topic, kinds := range m.live {
				for kind, v := range kinds {
					all[strings.TrimSpace(topic+" "+kind)] = v
				}
			}
			return all
		}
		found = append(found, differences(x.name+" live", live(x), live(y))...)
	}
	return found
}

func differences(when string, a, b map[string]any) (found []string) {
	topics := map[string]bool{}
	for topic := range a {
		topics[topic] = true
	}
	for topic := range b {
		topics[topic] = true
	}
	for _, topic := range sorted(topics) {
		x, inA := a[topic]
		y, inB := b[topic]
		if !inA {
			x = jsondiff.Missing
		}
		if !inB {
			y = jsondiff.Missing
		}
		for _, d := range jsondiff.Diff(x, y) {
			found = append(found, fmt.Sprintf("%s | %s | %s", when, topic, d))
		}
	}
	return found
}
