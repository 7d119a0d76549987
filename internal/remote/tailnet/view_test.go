package tailnet

import (
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tailscale.com/client/tailscale/apitype"
	"tailscale.com/tailcfg"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/remote"
)

func TestStatusOfAView(t *testing.T) {
	for name, tt := range map[string]struct {
		v       view
		unasked bool
		state   remote.State
		says    string // in what it says and wants done
	}{
		"Unasked":        {view{Phase: phaseRunning}, true, remote.Off, ""},
		"Beginning":      {view{Phase: phaseStarting}, false, remote.Starting, "connecting"},
		"NotBeginning":   {view{Phase: phaseStarting, Err: "dial tcp: lookup login.example.com: no such host"}, false, remote.Down, "internet"},
		"OAuthRefused":   {view{Phase: phaseStarting, Err: "error resolving auth key: API key invalid"}, false, remote.NeedsYou, "new key"},
		"Connecting":     {view{Phase: phaseConnecting}, false, remote.Starting, "connecting"},
		"NoControl":      {view{Phase: phaseConnecting, Health: []string{"fetch control key: connection refused"}}, false, remote.Down, "control server"},
		"WrongClock":     {view{Phase: phaseConnecting, Health: []string{"x509: certificate has expired or is not yet valid"}}, false, remote.Down, "clock"},
		"UsedKey":        {view{Phase: phaseNeedsLogin, Err: "register request: authkey already used"}, false, remote.NeedsYou, "new key"},
		"Expired":        {view{Phase: phaseNeedsLogin, Expired: true}, false, remote.NeedsYou, "expired"},
		"ExpiredAddress": {view{Phase: phaseNeedsLogin, Expired: true, AuthURL: "https://login.example.com/a"}, false, remote.NeedsYou, "expired"},
		"ToBeAdded":      {view{Phase: phaseNeedsLogin, AuthURL: "https://login.example.com/a"}, false, remote.NeedsYou, "sign in"},
		"ToBeApproved":   {view{Phase: phaseNeedsAdmin}, false, remote.NeedsYou, "Approve"},
		"Stopped":        {view{Phase: phaseStopped}, false, remote.Down, "stopped"},
		"Running":        {view{Phase: phaseRunning, Name: "hems.example.ts.net", Tailnet: "example.com"}, false, remote.Up, "hems.example.ts.net"},
		"RunningOut":     {view{Phase: phaseRunning, Expiry: time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)}, false, remote.Up, "2 January 2027"},
	} {
		t.Run(name, func(t *testing.T) {
			s := tt.v.status(tt.unasked)
			if s.Way != remote.Tailnet || s.State != tt.state || !strings.Contains(s.Detail+" "+s.Action, tt.says) {
				t.Errorf("got %+v, want %s and something with %q", s, tt.state, tt.says)
			}
			if (s.State == remote.NeedsYou || s.State == remote.Down) && s.Action == "" {
				t.Errorf("got %+v, want what to do", s)
			}
		})
	}
	v := view{Phase: phaseRunning, Name: "hems.example.ts.net", Addresses: []string{"100.64.0.1", "fd7a::1"}}
	want := []string{"http://hems.example.ts.net/", "http://100.64.0.1/", "http://[fd7a::1]/"}
	if diff := cmp.Diff(want, v.status(false).Links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

func TestStatusOfFunnel(t *testing.T) {
	up := view{Phase: phaseRunning, Name: "hems.example.ts.net"}
	for name, tt := range map[string]struct {
		f     funnel
		v     view
		state remote.State
		says  string
	}{
		"Unwanted":  {funnel{}, up, remote.Off, ""},
		"Open":      {funnel{wanted: true, open: true}, up, remote.Up, "internet"},
		"NoTailnet": {funnel{wanted: true, open: true}, view{Phase: phaseConnecting}, remote.Starting, "tailnet"},
		"Opening":   {funnel{wanted: true}, up, remote.Starting, ""},
		"NoHTTPS":   {funnel{wanted: true, err: "Funnel not available; HTTPS must be enabled. See https://tailscale.com/s/https"}, up, remote.NeedsYou, "HTTPS"},
		"NoPolicy":  {funnel{wanted: true, err: `Funnel not available; "funnel" node attribute not set`}, up, remote.NeedsYou, "Access controls"},
		"Broken":    {funnel{wanted: true, err: "something else"}, up, remote.Down, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if s := tt.f.status(tt.v); s.Way != remote.Funnel || s.State != tt.state || !strings.Contains(s.Detail+s.Action, tt.says) {
				t.Errorf("got %+v, want %s with %q", s, tt.state, tt.says)
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	person := &tailcfg.UserProfile{LoginName: "alice@example.com", DisplayName: "Alice Murphy"}
	alice := remote.Identity{Login: "alice@example.com", Name: "Alice Murphy"}
	as := func(role string) remote.Identity { a := alice; a.Role = role; return a }
	grants := func(all ...string) tailcfg.PeerCapMap {
		var raw []tailcfg.RawMessage
		for _, g := range all {
			raw = append(raw, tailcfg.RawMessage(g))
		}
		return tailcfg.PeerCapMap{Capability: raw}
	}
	for name, tt := range map[string]struct {
		who  *apitype.WhoIsResponse
		want remote.Identity
	}{
		"Nobody":       {nil, remote.Identity{}},
		"NoNode":       {&apitype.WhoIsResponse{UserProfile: person}, remote.Identity{}},
		"NoPerson":     {&apitype.WhoIsResponse{Node: &tailcfg.Node{}}, remote.Identity{}},
		"Tagged":       {&apitype.WhoIsResponse{Node: &tailcfg.Node{Tags: []string{"tag:server"}}, UserProfile: person, CapMap: grants(`{"role":"owner"}`)}, remote.Identity{}},
		"Person":       {&apitype.WhoIsResponse{Node: &tailcfg.Node{}, UserProfile: person}, alice},
		"Granted":      {&apitype.WhoIsResponse{Node: &tailcfg.Node{}, UserProfile: person, CapMap: grants(`{"role":"viewer"}`)}, as("viewer")},
		"TheHighest":   {&apitype.WhoIsResponse{Node: &tailcfg.Node{}, UserProfile: person, CapMap: grants(`{"role":"viewer"}`, `{"role":"owner"}`, `{"role":"member"}`)}, as("owner")},
		"UnknownRole":  {&apitype.WhoIsResponse{Node: &tailcfg.Node{}, UserProfile: person, CapMap: grants(`{"role":"king"}`, `{}`)}, alice},
		"BrokenGrant":  {&apitype.WhoIsResponse{Node: &tailcfg.Node{}, UserProfile: person, CapMap: grants(`{"role":`)}, alice},
		"AnotherGrant": {&apitype.WhoIsResponse{Node: &tailcfg.Node{}, UserProfile: person, CapMap: tailcfg.PeerCapMap{"example.com/cap": {`{"role":"owner"}`}}}, alice},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, identityOf(tt.who)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestIdentityUnderOwnNamesAlone: what a browser believes to be another site gets no
// identity (DNS rebinding).
func TestIdentityUnderOwnNamesAlone(t *testing.T) {
	n := New()
	n.view.Name = "hems.example.ts.net"
	for host, want := range map[string]bool{
		"hems": true, "hems:8080": true, "HEMS.Example.ts.net": true, "hems.example.ts.net.": true, "hems.example.ts.net:8443": true,
		"100.64.0.1": true, "100.64.0.1:8080": true, "[fd7a::1]": true, "[fd7a::1]:80": true,
		"": false, "evil.example": false, "hems.example.ts.net.evil.example": false, "hems.evil.example": false, "xhems": false, "localhost": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		a, err := n.underOwnName(r, remote.Arrival{Way: remote.Tailnet, Identity: remote.Identity{Login: "alice"}})
		if err != nil || (a.Identity.Login != "") != want {
			t.Errorf("%q: got %+v, %v; want an identity: %v", host, a.Identity, err, want)
		}
	}
}

// TestNoArrivalButByFunnel: what reaches Funnel's door otherwise has come in by no way.
func TestNoArrivalButByFunnel(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	for name, c := range map[string]net.Conn{"Plain": a, "TLS": tls.Server(a, &tls.Config{})} {
		if got := arriveByFunnel(c); got != (remote.Arrival{}) {
			t.Errorf("%s: got %+v, want none", name, got)
		}
	}
}

// FuzzGrant: a grant is whatever somebody wrote into a policy.
func FuzzGrant(f *testing.F) {
	for _, s := range []string{`{"role":"owner"}`, `{"role":1}`, `[]`, `null`, `{"role":"owner","role":"viewer"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, grant string) {
		who := &apitype.WhoIsResponse{Node: &tailcfg.Node{}, UserProfile: &tailcfg.UserProfile{LoginName: "a"}, CapMap: tailcfg.PeerCapMap{Capability: {tailcfg.RawMessage(grant)}}}
		role := identityOf(who).Role
		if role != "" && roles[role] == 0 {
			t.Errorf("%q gives the role %q", grant, role)
		}
		if role != "" && !json.Valid([]byte(grant)) {
			t.Errorf("%q is no JSON and gives the role %q", grant, role)
		}
	})
}
