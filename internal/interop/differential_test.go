//go:build interop

package interop

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/interop/jsondiff"
)

var (
	devices  = flag.String("devices", strings.Join(models, ","), "models TestDifferential pairs, separated by commas")
	payloads = "  payloads: z2m2\n"
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
	found, reasons := compareSides(a, b), intended(t)
	var lines []string
	for at, d := range found {
		line := fmt.Sprintf("%s | %s (first at %s; %d times)", at.topic, d, d.when, d.times)
		if reasons[at] == "" {
			t.Errorf("a difference that nobody wants: %s", line)
		}
		lines = append(lines, line)
	}
	for at, reason := range reasons {
		if found[at] == nil {
			t.Errorf("no difference any more at %s | %s: take it out of differences.json (%s)", at.topic, at.path, reason)
		}
	}
	t.Logf("%d places where the two differ, %d of them meant to be", len(found), len(reasons))
	if *record != "" {
		slices.Sort(lines)
		put(t, filepath.Join(*record, "differences.txt"), strings.Join(lines, "\n")+"\n")
	}
}

// live goes through the script.
func (s *side) live(t *testing.T) {
	began := time.Now()
	for _, step := range script {
		step.do(t, s)
		s.quiet(1500*time.Millisecond, 15*time.Second)
		s.end(t, step.name)
		t.Logf("%5.1f s: %s", time.Since(began).Seconds(), step.name)
	}
}

// place is where the two sides differ: a topic, of an event with its kind, and
// a path in its payload.
type place struct{ topic, path string }

// difference is what was first seen at a place, and how often it was.
type difference struct {
	jsondiff.Difference
	when  string
	times int
}

// compareSides compares each moment.
func compareSides(a, b *side) map[place]*difference {
	found := map[place]*difference{}
	for i := range min(len(a.moments), len(b.moments)) {
		x, y := a.moments[i], b.moments[i]
		compareTopics(found, x.name+", retained", x.retained, y.retained)
		compareTopics(found, x.name+", states", x.states, y.states)
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

// intended reads the list of differences that are meant to be.
func intended(t *testing.T) map[place]string {
	t.Helper()
	var list []struct {
		Topic, Reason string
		Paths         []string
	}
	b, err := os.ReadFile(filepath.Join("testdata", "differences.json"))
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[place]string{}
	for _, entry := range list {
		if entry.Reason == "" || len(entry.Paths) == 0 || strings.ContainsAny(entry.Topic, "*+#") {
			t.Fatalf("differences.json: the entry %+v has no reason, no path, or a wildcard", entry)
		}
		for _, path := range entry.Paths {
			if at := (place{entry.Topic, path}); reasons[at] == "" {
				reasons[at] = entry.Reason
			} else {
				t.Fatalf("differences.json: %v is there twice", at)
			}
		}
	}
	return reasons
}
