//go:build interop

package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// place is where the two sides differ: a topic, of an event with its kind, and
// a path in its payload. It is written as a list of the two.
type place struct{ topic, path string }

func (p place) MarshalJSON() ([]byte, error) { return json.Marshal([]string{p.topic, p.path}) }

func (p *place) UnmarshalJSON(b []byte) error {
	var both []string
	if err := json.Unmarshal(b, &both); err != nil {
		return err
	}
	if len(both) != 2 || both[0] == "" || strings.ContainsAny(both[0], "*+#") {
		return fmt.Errorf("%q is not a topic without a wildcard and a path", both)
	}
	p.topic, p.path = both[0], both[1]
	return nil
}

// group is places that differ for one reason.
type group struct {
	Reason string  `json:"reason"`
	Places []place `json:"places"`
}

// differencesFile is the list of differences that are meant to be.
var differencesFile = filepath.Join("testdata", "differences.json")

// intended reads the list.
func intended(t *testing.T) []group {
	t.Helper()
	var list []group
	b, err := os.ReadFile(differencesFile)
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		t.Fatalf("reading %s: %v", differencesFile, err)
	}
	return list
}

// reasons is the list by place. Each place is there once and has a reason.
func reasons(t *testing.T, list []group) map[place]string {
	t.Helper()
	of := make(map[place]string)
	for _, g := range list {
		if strings.TrimSpace(g.Reason) == "" || len(g.Places) == 0 {
			t.Errorf("%s: an entry has no reason or no place: %v %v", differencesFile, g.Reason, g.Places)
			continue
		}
		for _, p := range g.Places {
			if of[p] != "" {
				t.Errorf("%s: %v is there twice", differencesFile, p)
			}
			of[p] = g.Reason
		}
	}
	return of
}

// propose is the list as it would be after this run: what no longer occurs is
// left out, and what is new has no reason until a person gives it one.
func propose(list []group, found map[place]*difference) []group {
	var proposed []group
	known := make(map[place]bool)
	for _, g := range list {
		var still []place
		for _, p := range g.Places {
			if found[p] != nil && !known[p] {
				known[p] = true
				still = append(still, p)
			}
		}
		if len(still) > 0 {
			proposed = append(proposed, group{g.Reason, still})
		}
	}
	var fresh []place
	for p := range found {
		if !known[p] {
			fresh = append(fresh, p)
		}
	}
	if len(fresh) > 0 {
		proposed = append(proposed, group{"", fresh})
	}
	for _, g := range proposed {
		slices.SortFunc(g.Places, func(a, b place) int {
			if c := strings.Compare(a.topic, b.topic); c != 0 {
				return c
			}
			return strings.Compare(a.path, b.path)
		})
	}
	return proposed
}

// writeDifferences writes the list, a line for each place.
func writeDifferences(t *testing.T, list []group) {
	t.Helper()
	var b bytes.Buffer
	text := func(v any) string {
		var line bytes.Buffer
		e := json.NewEncoder(&line)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line.String())
	}
	b.WriteString("[")
	for i, g := range list {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n  {\n    \"reason\": %s,\n    \"places\": [", text(g.Reason))
		for j, p := range g.Places {
			if j > 0 {
				b.WriteString(",")
			}
			fmt.Fprintf(&b, "\n      %s", text([]string{p.topic, p.path}))
		}
		b.WriteString("\n    ]\n  }")
	}
	b.WriteString("\n]\n")
	if err := os.WriteFile(differencesFile, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
