package discovery

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// costly are templates that do as much as they may.
var costly = map[string]string{
	"Splits":      "{% set a = 1 %}" + strings.Repeat("{{ value.split(',')|length }}", 130),
	"Concatenate": "{{ value" + strings.Repeat("~''", 1300) + " }}",
	"Replace":     "{{ value" + strings.Repeat("|replace('a','b')", 230) + " }}",
	"Reverse":     "{{ value" + strings.Repeat("[::-1]", 38) + " }}",
	"Upper":       "{{ value" + strings.Repeat("|upper|lower", 330) + " }}",
	"Methods":     "{{ value" + strings.Repeat(".title().upper()", 190) + " }}",
	"In":          "{{ 1 if " + strings.Repeat("'q' in value or ", 240) + "false else 0 }}",
	"Lists":       "{% set l = value.split(',') %}{{ l|join('') }}",
	"Sums":        "{{ [" + strings.Repeat("value_json|length,", 180) + "1]|sum }}",
	"JSON":        strings.Repeat("{{ (value|from_json)|length }}", 130),
	"Equal":       "{{ 1 if " + strings.Repeat("value==value and ", 230) + "true else 0 }}",
	"Compare":     "{{ 1 if " + strings.Repeat("value<=value and ", 230) + "true else 0 }}",
}

// TestCostlyTemplatesAreCutOff: of a long state each is, or ends by itself. Before
// there was a budget some of them did not end.
func TestCostlyTemplatesAreCutOff(t *testing.T) {
	ends := map[string]bool{"In": true, "Sums": true}
	for name, state := range map[string]string{
		"Words":  strings.Repeat("a,", MaxState/2-10),
		"Object": `{"a":[` + strings.Repeat("1,", MaxState/2-100) + `1]}`,
	} {
		for what, source := range costly {
			tpl, err := Compile(source)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			began := time.Now()
			_, err = tpl.Text(NewState([]byte(state)))
			t.Logf("%s of %s: %v, %v", what, name, time.Since(began).Round(10*time.Microsecond), err)
			if !errors.Is(err, ErrTooCostly) && !ends[what] && !(what == "JSON" && name == "Words") {
				t.Errorf("%s of %s: %v, want it cut off", what, name, err)
			}
		}
	}
}

// TestCostlyTemplatesOfShortStatesEnd: what is dear for a long state is not for
// one as devices send them, but for chains of methods, which cost twice as much
// with each.
func TestCostlyTemplatesOfShortStatesEnd(t *testing.T) {
	for what, source := range costly {
		tpl, err := Compile(source)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if _, err := tpl.Text(NewState([]byte(`{"a":1}`))); errors.Is(err, ErrTooCostly) != (what == "Methods") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func BenchmarkCutOff(b *testing.B) {
	for what, source := range costly {
		b.Run(what, func(b *testing.B) {
			tpl, err := Compile(source)
			if err != nil {
				b.Fatal(err)
			}
			state := NewState([]byte(strings.Repeat("a,", MaxState/2-10)))
			for b.Loop() {
				_, _ = tpl.Text(state)
			}
		})
	}
}
