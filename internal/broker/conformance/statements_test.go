package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// told is every table of tales with the test that tells it.
var told = map[string][]tale{
	"TestConnect":   connectTales,
	"TestPublish":   publishTales,
	"TestRetain":    retainTales,
	"TestSubscribe": subscribeTales,
	"TestSession":   sessionTales,
	"TestWill":      willTales,
	"TestFive":      fiveTales,
	"TestShared":    sharedTales,
	"TestLimits":    limitTales,
}

// showing are tests that are not tales.
var showing = map[string]string{
	"TestReceiveMaximum": "5: 3.3.4-7",
}

// numbers splits "4: a b 5: c" into the statements of each version.
func numbers(t *testing.T, shows string) map[byte][]string {
	t.Helper()
	all := map[byte][]string{}
	version := byte(0)
	for _, w := range strings.Fields(shows) {
		if len(w) == 2 && w[1] == ':' {
			version = w[0] - '0'
			continue
		}
		if version == 0 {
			t.Fatalf("%q names no version", shows)
		}
		all[version] = append(all[version], w)
	}
	return all
}

// TestEveryStatementHasATest walks the statements: each has a test or a reason,
// not both, and no test shows a statement that does not exist.
func TestEveryStatementHasATest(t *testing.T) {
	shown := map[string][]string{} // "5 3.1.2-4": tests
	add := func(name, shows string) {
		for version, list := range numbers(t, shows) {
			for _, n := range list {
				key := fmt.Sprintf("%d %s", version, n)
				if !slices.Contains(shown[key], name) {
					shown[key] = append(shown[key], name)
				}
			}
		}
	}
	for test, tales := range told {
		names := map[string]bool{}
		for _, c := range tales {
			add(test+"/"+c.name, c.shows)
			for _, v := range c.versions {
				full := c.name + "/" + string(v)
				if names[full] {
					t.Errorf("%s has two cases %s", test, full)
				}
				names[full] = true
			}
		}
	}
	for test, shows := range showing {
		if !isTest(t, ".", test) {
			t.Errorf("there is no %s", test)
		}
		add(test, shows)
	}
	known := map[string]bool{}
	for _, spec := range Specifications {
		tested, reasons := 0, 0
		for _, s := range spec.Server {
			key := fmt.Sprintf("%d %s", spec.Version, s.Number)
			if known[key] {
				t.Errorf("%s lists %s twice", spec.Name, s.Number)
			}
			known[key] = true
			for _, other := range s.Elsewhere {
				dir, name, _ := strings.Cut(other, " ")
				if !isTest(t, filepath.Join("..", "..", "..", dir), name) {
					t.Errorf("%s, %s: there is no test %s", spec.Name, s.Number, other)
				}
			}
			tests := slices.Concat(shown[key], s.Elsewhere)
			slices.Sort(tests)
			switch {
			case s.Says == "":
				t.Errorf("%s, %s says nothing", spec.Name, s.Number)
			case len(tests) == 0 && s.Reason == "":
				t.Errorf("%s, %s has neither a test nor a reason: %s", spec.Name, s.Number, s.Says)
			case len(tests) > 0 && s.Reason != "":
				t.Errorf("%s, %s has tests (%s) and a reason for having none", spec.Name, s.Number, tests)
			case len(tests) > 0:
				tested++
			default:
				reasons++
			}
			if testing.Verbose() {
				fmt.Printf("MQTT-%s (%s) %s: %s%s\n", s.Number, spec.Name, s.Says, strings.Join(tests, ", "), s.Reason)
			}
		}
		for _, n := range spec.Client {
			known[fmt.Sprintf("%d %s", spec.Version, n)] = true
		}
		t.Logf("%s: %d statements bind a server, %d have tests, %d a reason; %d bind clients alone",
			spec.Name, len(spec.Server), tested, reasons, len(spec.Client))
	}
	for key, tests := range shown {
		if !known[key] {
			t.Errorf("%s: there is no statement %s", tests, key)
		}
	}
}

// isTest tells whether a directory has a test function of that name; * is any.
func isTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if name == "*" && strings.Contains(string(b), "\nfunc Test") || strings.Contains(string(b), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
