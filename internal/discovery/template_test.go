package discovery

import (
	"errors"
	"strings"
	"testing"
	"time"
)

const (
	frient  = `{"power":342,"energy":1234.567,"linkquality":67,"battery":null,"name":"kitchen","on":true,"sub":{"a-b":[1,2.5,"3"]}}`
	noValue = "\x00no value"
	failure = "\x00failure"
)

var templateTests = []struct{ name, template, state, want string }{
	{"Plain", "{{ value_json.power }}", frient, "342"},
	{"PlainFloat", "{{ value_json.energy }}", frient, "1234.567"},
	{"PlainQuoted", `{{ value_json["energy"] }}`, frient, "1234.567"},
	{"PlainDeep", `{{value_json.sub['a-b'][1]}}`, frient, "2.5"},
	{"PlainText", "{{ value_json.name }}", frient, "kitchen"},
	{"PlainTruth", "{{ value_json.on }}", frient, "True"},
	{"PlainNull", "{{ value_json.battery }}", frient, noValue},
	{"PlainMissing", "{{ value_json.voltage }}", frient, noValue},
	{"PlainMissingDeep", "{{ value_json.a.b.c }}", frient, noValue},
	{"PlainThroughNumber", "{{ value_json.power.b }}", frient, noValue},
	{"PlainNotJSON", "{{ value_json.power }}", "342", noValue},
	{"PlainBroken", "{{ value_json.power }}", `{"power":`, failure},
	{"PlainTrailing", "{{ value_json.power }}", `{"power":1}{`, failure},
	{"NoTemplate", "", " 21.5 ", "21.5"},
	{"NoTemplateEmpty", "", "", noValue},
	{"Unavailable", "", "unavailable", noValue},
	{"Value", "{{ value }}", "21.5", "21.5"},
	{"ValueFloat", "{{ value | float / 10 }}", "215", "21.5"},
	{"WithText", "{{ value_json.power }} W", frient, "342 W"},

	{"Float", "{{ value_json.power | float }}", frient, "342.0"},
	{"FloatOfText", "{{ value_json.sub['a-b'][2] | float }}", frient, "3.0"},
	{"FloatMissing", "{{ value_json.voltage | float }}", frient, noValue},
	{"FloatDefault", "{{ value_json.voltage | float(7) }}", frient, "7"},
	{"FloatNamedDefault", "{{ value_json.voltage | float(default=0.5) }}", frient, "0.5"},
	{"FloatOfWord", "{{ value_json.name | float }}", frient, failure},
	{"FloatOfWordDefault", "{{ value_json.name | float(1.5) }}", frient, "1.5"},
	{"Int", "{{ value_json.energy | int }}", frient, "1234"},
	{"IntBase", "{{ value | int(base=16) }}", "ff", failure},
	{"IntBasePosition", "{{ value | int(0, 16) }}", "ff", "255"},
	{"Round", "{{ value_json.energy | round(1) }}", frient, "1234.6"},
	{"RoundWhole", "{{ value_json.energy | round }}", frient, "1235"},
	{"RoundEven", "{{ 2.5 | round }}", frient, "2"},
	{"RoundFloor", "{{ value_json.energy | round(2, 'floor') }}", frient, "1234.56"},
	{"TruncateShort", "{{ value_json.energy | string | truncate(254, True, '', 0) }}", frient, "1234.567"},
	{"TruncateKillsWords", "{{ 'the meter reads' | truncate(9, True, '', 0) }}", frient, "the meter"},
	{"TruncateKeepsWords", "{{ 'the meter reads' | truncate(12, False, '.', 0) }}", frient, "the meter."},
	{"TruncateLeeway", "{{ 'the meter reads' | truncate(11) }}", frient, "the meter reads"},
	{"RoundMissing", "{{ value_json.voltage | round(1) }}", frient, noValue},
	{"RoundDefault", "{{ value_json.voltage | round(1, default=4) }}", frient, "4"},
	{"Default", "{{ value_json.voltage | default(12) }}", frient, "12"},
	{"DefaultPresent", "{{ value_json.power | default(12) }}", frient, "342"},
	{"IsDefined", "{{ value_json.power | is_defined }}", frient, "342"},
	{"IsDefinedMissing", "{{ value_json.voltage | is_defined }}", frient, noValue},
	{"Multiply", "{{ value_json.power | multiply(0.001) | round(3) }}", frient, "0.342"},
	{"FilterBeforeDivision", "{{ value_json.power | float / 1000 | float }}", frient, "0.342"},
	{"Division", "{{ value_json.power / 10 }}", frient, "34.2"},
	{"DivisionWhole", "{{ 10 / 5 }}", frient, "2.0"},
	{"DivisionByZero", "{{ value_json.power / 0 }}", frient, failure},
	{"ModuloByZero", "{{ value_json.power % 0 }}", frient, failure},
	{"FloorDivision", "{{ -7 // 2 }}", frient, "-4"},
	{"Modulo", "{{ -7 % 3 }}", frient, "2"},
	{"ModuloFraction", "{{ 7.5 % 2 }}", frient, "1.5"},
	{"Power", "{{ 2 ** 10 }}", frient, "1024"},
	{"PowerTooLarge", "{{ 10.0 ** 400 }}", frient, failure},
	{"Sum", "{{ value_json.power + value_json.linkquality }}", frient, "409"},
	{"SumMissing", "{{ value_json.power + value_json.voltage }}", frient, noValue},
	{"SumTextAndNumber", "{{ value_json.name + 1 }}", frient, failure},
	{"Concatenate", "{{ value_json.power ~ '.' ~ 5 }}", frient, "342.5"},
	{"Negative", "{{ -value_json.power }}", frient, "-342"},
	{"InlineIf", "{{ 1 if value_json.on else 0 }}", frient, "1"},
	{"InlineIfComparison", "{{ 'high' if value_json.power > 300 else 'low' }}", frient, "high"},
	{"ComparisonMissing", "{{ 1 if value_json.voltage > 3 else 0 }}", frient, noValue},
	{"IfDefined", "{% if value_json.voltage is defined %}{{ value_json.voltage }}{% else %}{{ value_json.power }}{% endif %}", frient, "342"},
	{"Elif", "{% if value == 'a' %}1{% elif value == 'b' %}2{% else %}3{% endif %}", "b", "2"},
	{"Set", "{% set p = value_json.power | float %}{{ p * 2 }}", frient, "684.0"},
	{"In", "{{ value in ['on', 'open'] }}", "open", "True"},
	{"Split", "{{ value.split(',')[1] | float }}", "1,2.5,3", "2.5"},
	{"Get", "{{ value_json.get('power') }}", frient, "342"},
	{"ReplaceMethod", "{{ value.replace(',', '.') | float }}", "21,5", "21.5"},
	{"ReplaceFilter", "{{ value | replace('W', '') | trim | int }}", "342 W", "342"},
	{"MaxList", "{{ [1, value_json.power, 3] | max }}", frient, "342"},
	{"MinFunction", "{{ min(value_json.power, 100) }}", frient, "100"},
	{"FloatFunction", "{{ float(value_json.voltage, 3) + 1 }}", frient, "4"},
	{"Iif", "{{ iif(value_json.on, 5, 6) }}", frient, "5"},
	{"IsNumber", "{{ value | is_number }}", "12.5", "True"},
	{"IsNumberTest", "{{ value_json.power is number }}", frient, "True"},
	{"Format", "{{ '%.1f' | format(value_json.energy) }}", frient, "1234.6"},
	{"FromJSON", "{{ (value | from_json).power }}", frient, "342"},
	{"Slice", "{{ value[:4] | int }}", "2026-11-22", "2026"},
	{"ListIsNoValue", "{{ value_json.sub['a-b'] | default([]) }}", frient, failure},
	{"JSONNeeded", "{{ value_json.power | float }}", "x", failure},
	{"Bytes", "{{ value_json.power }}", "\xff\xfe", failure},
}

func TestTemplates(t *testing.T) {
	for _, tc := range templateTests {
		t.Run(tc.name, func(t *testing.T) {
			tpl, err := Compile(tc.template)
			if err != nil {
				t.Fatal(err)
			}
			got, err := tpl.Text(NewState([]byte(tc.state)))
			switch {
			case errors.Is(err, ErrNoValue):
				got = noValue
			case err != nil:
				t.Log(err)
				got = failure
			}
			if got != tc.want {
				t.Errorf("got %q, want %q (%v)", got, tc.want, err)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	for name, source := range map[string]string{
		"Include":         "{% include '/etc/passwd' %}",
		"Import":          "{% import '/etc/passwd' as p %}",
		"From":            "{% from '/etc/passwd' import p %}",
		"Extends":         "{% extends '/etc/passwd' %}",
		"Loop":            "{% for i in range(1000000000) %}{% endfor %}",
		"Macro":           "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
		"UnknownFunction": "{{ range(1000000000) }}",
		"States":          "{{ states('sensor.x') }}",
		"UnknownFilter":   "{{ value | center(1000000000) }}",
		"UnknownTest":     "{{ value is filter }}",
		"UnknownMethod":   "{{ value.center(1000000000) }}",
		"Self":            "{{ self.x() }}",
		"SetAttribute":    "{% set value_json.a = 1 %}",
		"SetBlock":        "{% set a %}x{% endset %}",
		"Unclosed":        "{{ value_json.power",
		"HalfOperator":    "{{ value + }}",
		"TooLong":         "{{ value }}" + strings.Repeat(" ", maxTemplate),
		"TooLongAPath":    "{{ value_json" + strings.Repeat(".a", 40) + "|float }}",
		"TooLongAList":    "{{ value_json" + strings.Repeat("[ 'a' ]", 40) + "|float }}",
		"TooManyBrackets": strings.Repeat("{{ (1) }}", 200),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Compile(source); err == nil {
				t.Error("got no error")
			} else {
				t.Log(err)
			}
		})
	}
}

// TestRunawaysAreCutOff: each would fill the memory or never end.
func TestRunawaysAreCutOff(t *testing.T) {
	for name, source := range map[string]string{
		"Doubling":        "{% set x = value %}" + strings.Repeat("{% set x = x ~ x %}", 100) + "{{ x }}",
		"DoublingByPlus":  "{% set x = value %}" + strings.Repeat("{% set x = x + x %}", 100) + "{{ x }}",
		"Repeat":          "{{ value * 1000000000 }}",
		"Replace":         "{{ value | replace('x', 'xxxxxxxxxxxxxxxxxxxxxxxxxx')" + strings.Repeat("| replace('x', 'xxxxxxxxxxxxxxxxxxxxxxxxxx')", 20) + " }}",
		"Format":          "{{ '%999999999d' | format(1) }}",
		"NestedLists":     "{% set x = [value, value] %}" + strings.Repeat("{% set x = [x, x] %}", 100) + "{{ x }}",
		"ListOfLists":     "{{ [value] + [value] }}",
		"Join":            "{{ value_json | join(value_json | join(value)) }}",
		"OutputAfterEach": strings.Repeat("{{ value }}", 150),
	} {
		t.Run(name, func(t *testing.T) {
			tpl, err := Compile(source)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			text, err := tpl.Text(NewState([]byte(strings.Repeat("x", 1000))))
			if err == nil {
				t.Errorf("got %d bytes and no error", len(text))
			}
			t.Log(err)
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
}

func TestLongStateIsRefused(t *testing.T) {
	state := []byte(`{"power":1,"x":"` + strings.Repeat("x", MaxState) + `"}`)
	for _, source := range []string{"", "{{ value_json.power }}", "{{ value_json.power | float }}"} {
		tpl, err := Compile(source)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tpl.Number(NewState(state)); err == nil {
			t.Errorf("%q: got %v and no error", source, got)
		}
	}
}

func TestNumber(t *testing.T) {
	for _, tc := range []struct {
		name, template, state string
		want                  float64
		wantErr               bool
	}{
		{"Whole", "{{ value_json.v }}", `{"v":342}`, 342, false},
		{"Text", "{{ value_json.v }}", `{"v":"3.5"}`, 3.5, false},
		{"Small", "{{ value_json.v }}", `{"v":1e-7}`, 1e-7, false},
		{"Exact", "{{ value_json.v }}", `{"v":123456789.123456}`, 123456789.123456, false},
		{"ExactThroughJinja", "{{ value_json.v | float }}", `{"v":0.1}`, 0.1, false},
		{"NaN", "{{ value_json.v }}", `{"v":"nan"}`, 0, true},
		{"Infinite", "", "inf", 0, true},
		{"TooLarge", "{{ value_json.v }}", `{"v":1e999}`, 0, true},
		{"Hexadecimal", "", "0x10", 0, true},
		{"Underscore", "", "1_000", 0, true},
		{"Word", "", "on", 0, true},
		{"Truth", "{{ value_json.v }}", `{"v":true}`, 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tpl, err := Compile(tc.template)
			if err != nil {
				t.Fatal(err)
			}
			got, err := tpl.Number(NewState([]byte(tc.state)))
			if got != tc.want || (err != nil) != tc.wantErr {
				t.Errorf("got %v, %v; want %v, error %v", got, err, tc.want, tc.wantErr)
			}
		})
	}
}

func BenchmarkPlain(b *testing.B) { benchmarkTemplate(b, "{{ value_json.power }}") }
func BenchmarkJinja(b *testing.B) { benchmarkTemplate(b, "{{ value_json.power | float }}") }

func benchmarkTemplate(b *testing.B, source string) {
	tpl, err := Compile(source)
	if err != nil {
		b.Fatal(err)
	}
	state := []byte(frient)
	for b.Loop() {
		if v, err := tpl.Number(NewState(state)); err != nil || v != 342 {
			b.Fatal(v, err)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	for _, tc := range templateTests {
		f.Add(tc.template, tc.state)
	}
	f.Fuzz(func(t *testing.T, source, state string) {
		tpl, err := Compile(source)
		if err != nil {
			return
		}
		if text, err := tpl.Text(NewState([]byte(state))); err == nil && len(text) > maxOutput {
			t.Errorf("got %d bytes of text, more than %d", len(text), maxOutput)
		}
	})
}
