package gateway

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/gateway/signin"
	"github.com/smartcore-ireland/hems/internal/remote"
)

var updateGolden = flag.Bool("update-access", false, "write testdata/access.txt anew, to be looked at")

// walker is a kind of visitor: what their requests carry.
type walker struct {
	name  string
	role  signin.Role
	known func(a access, w remote.Way) bool // whether they are known there to a route of that access
	dress func(*http.Request, *remote.Arrival)
}

// walkers are every kind, for a gateway with an account of each role.
func (h *house) walkers() []walker {
	h.t.Helper()
	everywhere := func(access, remote.Way) bool { return true }
	programs := func(a access, _ remote.Way) bool { return a == forPrograms }
	notOnFunnel := func(_ access, w remote.Way) bool { return w != remote.Funnel }
	vouching := func(_ access, w remote.Way) bool { return w == remote.Tailnet || w == remote.Cloudflare }
	all := []walker{{"nobody", signin.Nobody, func(access, remote.Way) bool { return false }, func(*http.Request, *remote.Arrival) {}}}
	for role := signin.Viewer; role <= signin.Owner; role++ {
		user := map[signin.Role]string{signin.Viewer: "guest", signin.Member: "aoife", signin.Owner: owner}[role]
		h.person(user, role)
		if err := h.door.SetLogins(user, []signin.Login{{Way: "tailnet", Name: user + "@example.com"}, {Way: "cloudflare", Name: user + "@example.com"}}); err != nil {
			h.t.Fatal(err)
		}
		session := func(proof signin.Proof) func(*http.Request, *remote.Arrival) {
			token, err := h.door.Begin(user, signin.Place{}, proof)
			if err != nil {
				h.t.Fatal(err)
			}
			return func(r *http.Request, _ *remote.Arrival) { r.AddCookie(h.sessionCookie(false, token, 60)) }
		}
		secret, _, err := h.door.MakeToken(user, "a test", role, time.Hour)
		if err != nil {
			h.t.Fatal(err)
		}
		all = append(all,
			walker{"session by password", role, notOnFunnel, session(signin.ByPassword)},
			walker{"session by passkey", role, notOnFunnel, session(signin.ByPasskey)},
			walker{"session by both", role, everywhere, session(signin.ByBoth)},
			walker{"password", role, func(a access, w remote.Way) bool { return a == forPrograms && w != remote.Funnel },
				func(r *http.Request, _ *remote.Arrival) { r.SetBasicAuth(user, password) }},
			walker{"token", role, programs, func(r *http.Request, _ *remote.Arrival) { r.Header.Set("Authorization", "Bearer "+secret) }},
			walker{"linked login", role, vouching, func(_ *http.Request, a *remote.Arrival) { a.Identity.Login = user + "@example.com" }},
			walker{"granted role", role, vouching, func(_ *http.Request, a *remote.Arrival) {
				a.Identity = remote.Identity{Login: "visitor@example.com", Role: role.String()}
			}},
		)
	}
	return all
}

// person makes an account with the password of every test.
func (h *house) person(user string, role signin.Role) {
	h.t.Helper()
	if h.door.RoleOf(user) != signin.Nobody {
		return
	}
	code, _, err := h.door.Invite(user, role)
	if err == nil {
		_, err = h.door.Accept(h.t.Context(), netip.MustParseAddr("192.0.2.7"), code, password)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// outcome is what the table's columns say of a request.
func outcome(row route, w remote.Way, v walker) string {
	switch {
	case row.access == forEveryone || row.access == forLink:
		return "in"
	case !v.known(row.access, w) && row.access == forPrograms:
		return "401"
	case !v.known(row.access, w):
		return "sign in"
	case v.role < row.role:
		return "403"
	}
	return "in"
}

var wildcard = regexp.MustCompile(`\{[^}]*\}`)

const through = 299 // what a row answers whom it lets in

// TestEveryRouteEveryWayEveryRole walks the table, with rows that do nothing, as
// every kind of visitor on every way in. testdata/access.txt is what comes out, to
// be read by people: it changes with the table (go test -run TestEveryRouteEveryWay
// ./internal/gateway -update-access).
func TestEveryRouteEveryWayEveryRole(t *testing.T) {
	h := newHouse(t)
	rows := append(h.routes(), route{"/", forSignedIn, signin.Viewer, nil, small})
	for i := range rows {
		rows[i].handle = func(w http.ResponseWriter, r *http.Request) { private(w); w.WriteHeader(through) }
	}
	guarded := h.guard(rows)
	walkers := h.walkers()

	type class struct {
		access access
		role   signin.Role
	}
	golden, members := map[class]string{}, map[class][]string{}
	for _, row := range rows {
		method, path, ok := strings.Cut(row.pattern, " ")
		if !ok {
			method, path = "GET", "/no/such/page"
		}
		path = wildcard.ReplaceAllStringFunc(path, func(s string) string { return map[bool]string{true: "", false: "x"}[s == "{$}"] })
		var table strings.Builder
		fmt.Fprintf(&table, "  %-30s", "")
		for _, way := range remote.Ways {
			fmt.Fprintf(&table, " %-10s", way)
		}
		table.WriteString("\n")
		for _, v := range walkers {
			fmt.Fprintf(&table, "  %-30s", strings.TrimSuffix(v.name+", "+v.role.String(), ", nobody"))
			for _, way := range remote.Ways {
				a := remote.Arrival{Way: way, Address: netip.MustParseAddr("192.0.2.7")}
				r := httptest.NewRequest(method, path, nil)
				v.dress(r, &a)
				w := httptest.NewRecorder()
				guarded.ServeHTTP(w, r.WithContext(remote.With(r.Context(), a)))
				got := fmt.Sprint(w.Code)
				switch {
				case w.Code == through:
					got = "in"
				case w.Code == http.StatusSeeOther && strings.HasPrefix(w.Header().Get("Location"), "/login"):
					got = "sign in"
				}
				if want := outcome(row, way, v); got != want {
					t.Errorf("%s as %s, %v on %s: got %s, want %s", row.pattern, v.name, v.role, way, got, want)
				}
				if json := strings.HasPrefix(w.Header().Get("Content-Type"), "application/json"); w.Code >= 400 && json != (row.access == forPrograms) {
					t.Errorf("%s as %s, %v on %s: a refusal in JSON is %v", row.pattern, v.name, v.role, way, json)
				}
				fmt.Fprintf(&table, " %-10s", got)
			}
			table.WriteString("\n")
		}
		c := class{row.access, row.role}
		golden[c] = table.String()
		members[c] = append(members[c], row.pattern)
	}

	var text strings.Builder
	text.WriteString("Who may use which route, on which way in. Made by TestEveryRouteEveryWayEveryRole.\n")
	classes := make([]class, 0, len(golden))
	for c := range golden {
		classes = append(classes, c)
	}
	slices.SortFunc(classes, func(a, b class) int { return int(a.access)*10 + int(a.role) - int(b.access)*10 - int(b.role) })
	for _, c := range classes {
		slices.Sort(members[c])
		fmt.Fprintf(&text, "\n# for %v; least role: %v\n\n%s\n  %s\n", c.access, c.role, golden[c], strings.Join(members[c], "\n  "))
	}
	got := regexp.MustCompile(` +\n`).ReplaceAllString(text.String(), "\n")
	file := filepath.Join("testdata", "access.txt")
	if *updateGolden {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); when it is meant: go test ./internal/gateway -run TestEveryRouteEveryWay -update-access\n%s", file, diff)
	}
}

// TestARouteSaysWhichRoleMay: a row that forgot its role is found before anybody
// comes in by it.
func TestARouteSaysWhichRoleMay(t *testing.T) {
	h := newHouse(t)
	for _, row := range []route{
		{"GET /x", forSignedIn, signin.Nobody, nil, small},
		{"GET /x", forPrograms, signin.Nobody, nil, small},
		{"GET /x", forEveryone, signin.Viewer, nil, small},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a route for %v with role %v is served", row.access, row.role)
				}
			}()
			row.handle = func(http.ResponseWriter, *http.Request) {}
			h.guard([]route{row})
		}()
	}
}
