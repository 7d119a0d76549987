//go:build interop

package interop

import (
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/interop/jsondiff"
)

var (
	devices  = flag.String("devices", strings.Join(models, ","), "models TestDifferential pairs, separated by commas")
	last     = flag.String("last", "", "the last step of TestDifferential that is gone through")
	update   = flag.Bool("update", false, "whether TestDifferential writes the list of differences anew; what is new has no reason and fails")
	payloads = "  payloads: z2m2\n"
)

// TestDifferential lets the real Zigbee2MQTT and ours live through the same
// script with the same house, at the same time but apart, and compares what
// they said.
func TestDifferential(t *testing.T) {
	t.Parallel()
	var a, b *side
	t.Run("live", func(t *testing.T) {
		t.Run("zigbee2mqtt", func(t *testing.T) { t.Parallel(); a = theirs(t, *devices); a.live(t) })
		t.Run("hems", func(t *testing.T) { t.Parallel(); b = ours(t, *devices); b.live(t) })
	})
	if t.Failed() {
		return
	}
	found, list := compareSides(a, b), intended(t)
	if *record != "" {
		var lines []string
		for at, d := range found {
			lines = append(lines, at.topic+" | "+d.told())
		}
		slices.Sort(lines)
		put(t, filepath.Join(*record, "differences.txt"), strings.Join(lines, "\n")+"\n")
	}
	if *update {
		writeDifferences(t, propose(list, found))
		list = intended(t)
	}
	reason := reasons(t, list)
	for at, d := range found {
		if reason[at] == "" {
			t.Errorf("a difference that nobody wants: %s | %s", at.topic, d.told())
		}
	}
	for at := range reason {
		if found[at] == nil {
			t.Errorf("no difference any more at %s | %s: take it out of %s (%s)", at.topic, at.path, differencesFile, reason[at])
		}
	}
	for _, g := range list {
		t.Logf("%4d places: %s", len(g.Places), g.Reason)
	}
	t.Logf("%d places where the two differ, %d of them meant to be", len(found), len(reason))
}

// live goes through the script.
func (s *side) live(t *testing.T) {
	began := time.Now()
	for _, step := range script {
		step.do(t, s)
		s.quiet(1500*time.Millisecond, 15*time.Second)
		s.end(t, step.name)
		t.Logf("%5.1f s: %s", time.Since(began).Seconds(), step.name)
		if step.name == *last {
			break
		}
	}
	if *record != "" {
		put(t, filepath.Join(*record, s.name, "log"), strings.Join(s.z.said(""), "\n"))
	}
}

// difference is what was first seen at a place, and how often it was.
type difference struct {
	jsondiff.Difference
	when  string
	times int
}

// told is the difference in one line.
func (d *difference) told() string {
	return fmt.Sprintf("%s (first at %s; %d times)", d, d.when, d.times)
}

// unsettled are the steps after which states are not compared: Zigbee2MQTT adds
// what it does not know as null by and by, as the broker acknowledges its
// discovery documents one after the other, and how fast that is is chance. What
// the devices have said by then is in the states of the later steps.
var unsettled = []string{"pair", "permit_join off"}

// compareSides compares each moment.
func compareSides(a, b *side) map[place]*difference {
	found := map[place]*difference{}
	for i := range min(len(a.moments), len(b.moments)) {
		x, y := a.moments[i], b.moments[i]
		compareTopics(found, x.name+", retained", x.retained, y.retained)
		if !slices.Contains(unsettled, x.name) {
			compareTopics(found, x.name+", states", x.states, y.states)
		}
		compareTopics(found, x.name+", said", x.said, y.said)
	}
	return found
}

func compareTopics(found map[place]*difference, when string, a, b map[string]any) {
	topics := maps.Clone(a)
	maps.Copy(topics, b)
	of := func(side map[string]any, topic string) any {
		if v, ok := side[topic]; ok {
			return v
		}
		return jsondiff.Missing
	}
	for topic := range topics {
		for _, d := range jsondiff.Diff(of(a, topic), of(b, topic)) {
			at := place{topic, d.Path}
			if found[at] == nil {
				found[at] = &difference{Difference: d, when: when}
			}
			found[at].times++
		}
	}
}
