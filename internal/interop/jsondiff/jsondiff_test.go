package jsondiff

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiff(t *testing.T) {
	tests := []struct {
		name, a, b string
		want       []string
	}{
		{"SameInAnotherOrder", `{"a":1,"b":[1,2]}`, `{"b":[1,2],"a":1.0}`, nil},
		{"Value", `{"a":{"b":1}}`, `{"a":{"b":2}}`, []string{`a.b: 1 | 2`}},
		{"NullIsNotMissing", `{"a":null,"b":null}`, `{"a":null}`, []string{`b: null | "(missing)"`}},
		{"MissingIsListedOnce", `{}`, `{"a":{"b":1,"c":2}}`, []string{`a: "(missing)" | {"b":1,"c":2}`}},
		{"KindOfValue", `{"a":[]}`, `{"a":{}}`, []string{`a: [] | {}`}},
		{"Root", `"online"`, `{"state":"online"}`, []string{`: "online" | {"state":"online"}`}},
		{"ListIsOneValue", `{"a":["x","y"]}`, `{"a":["y","x"]}`, []string{`a: ["x","y"] | ["y","x"]`}},
		{"EmptyLists", `{"a":[]}`, `{"a":[]}`, nil},
		{"NamedByAddress", `[{"ieee_address":"0x1","n":1},{"ieee_address":"0x2"}]`, `[{"ieee_address":"0x2"},{"ieee_address":"0x1","n":2}]`,
			[]string{`[0x1].n: 1 | 2`}},
		{"NamedByAddressAndEndpoint", `[{"ieee_address":"0x1","endpoint":1}]`, `[]`, []string{`[0x1/1]: {"endpoint":1,"ieee_address":"0x1"} | "(missing)"`}},
		{"NamedByTwo", `[{"cluster":"c","attribute":"a","max":1},{"cluster":"c","attribute":7}]`, `[{"cluster":"c","attribute":"a","max":2},{"cluster":"c","attribute":7}]`,
			[]string{`[c/a].max: 1 | 2`}},
		{"NamedByTarget", `[{"cluster":"c","target":{"type":"endpoint","endpoint":1}}]`, `[]`,
			[]string{`[c/1/endpoint]: {"cluster":"c","target":{"endpoint":1,"type":"endpoint"}} | "(missing)"`}},
		{"NotNamedWhenTwoShareIt", `[{"name":"a","v":1},{"name":"a","v":2}]`, `[{"name":"a","v":1},{"name":"a","v":3}]`, []string{`[1].v: 2 | 3`}},
		{"NestedNames", `{"exposes":[{"type":"switch","features":[{"property":"state","access":7}]}]}`, `{"exposes":[{"type":"switch","features":[{"property":"state","access":3}]}]}`,
			[]string{`exposes[switch].features[state].access: 7 | 3`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var a, b any
			if err := errors.Join(json.Unmarshal([]byte(test.a), &a), json.Unmarshal([]byte(test.b), &b)); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range Diff(a, b) {
				got = append(got, d.String())
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("differences (-want +got):\n%s", d)
			}
		})
	}
}
