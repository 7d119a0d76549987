package bridge

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var jsonTable = []any{
	nil, true, 0, -1, int64(1) << 60, uint8(255), 0.0, -0.5, 342.0, 1234.567, 1e-7, 1e21, 1e20, math.MaxFloat64,
	"", "plain", `a "quoted" \ word`, "<b>&", "é\u2028", "line\n", "\xff",
	map[string]any{"b": 1, "a": map[string]any{"x": nil}}, map[string]any{}, map[string]any(nil),
	[]string{"a", "b"}, []string{}, []string(nil), []any{1, "x", nil}, []map[string]any{{"a": 1}}, map[string]int{"a": 1},
}

func TestJSONIsThatOfTheLibrary(t *testing.T) {
	for _, v := range jsonTable {
		got := appendJSON(nil, v)
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var g, w any
		if err := json.Unmarshal(got, &g); err != nil {
			t.Errorf("%#v: %s is no JSON: %v", v, got, err)
			continue
		}
		if err := json.Unmarshal(want, &w); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(w, g); diff != "" {
			t.Errorf("%#v (-want +got):\n%s", v, diff)
		}
	}
	if got := string(appendJSON(nil, math.Inf(1))); got != "null" {
		t.Errorf("infinity is %s, want null", got)
	}
}

func TestObjectOfSeveralLists(t *testing.T) {
	got := appendObject(nil, func(key string) bool { return key == "hidden" },
		[]field{newField("b", 2)},
		[]field{newField("a", 1), newField("b", 1), newField("hidden", 1), newField("z", "z")},
		[]field{newField("a", nil), newField("c", nil)})
	if want := `{"a":1,"b":2,"c":null,"z":"z"}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := string(appendObject(nil, nil)); got != "{}" {
		t.Errorf("nothing is %s, want {}", got)
	}
}

func TestFieldsFollowTheValues(t *testing.T) {
	st := &state{Values: map[string]any{"power": 1.0, "state": "ON"}}
	text := func() string { return string(appendObject(nil, nil, st.fields())) }
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() {}, `{"power":1,"state":"ON"}`},
		{func() { st.Values["power"] = 2.5 }, `{"power":2.5,"state":"ON"}`},
		{func() { st.Values["state"] = nil }, `{"power":2.5,"state":null}`},
		{func() { delete(st.Values, "state"); st.Values["a"] = 1 }, `{"a":1,"power":2.5}`},
		{func() { st.merge("color", map[string]any{"x": 0.1}) }, `{"a":1,"color":{"x":0.1},"power":2.5}`},
		{func() { st.merge("color", map[string]any{"y": 0.2}) }, `{"a":1,"color":{"x":0.1,"y":0.2},"power":2.5}`},
	} {
		step.do()
		if got := text(); got != step.want {
			t.Errorf("got %s, want %s", got, step.want)
		}
	}
}
