package cloudflare

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/smartcore-ireland/hems/internal/remote"
)

const print = "aa11bb22cc33dd44ee55ff6600112233445566778899aabbccddeeff00112233"

func newTunnel(change ...func(*Options)) *Tunnel {
	o := Options{
		Enabled: true, Team: "smartcore", Log: slog.New(slog.DiscardHandler),
		Client: noTeam{},
		Hosts: []Host{
			{Name: "ha.example.ie", To: remote.HomeAssistant, Rule: SignIn},
			{Name: "Phone.example.ie", To: remote.HomeAssistant, Rule: ClientCertificate, Prints: []string{"AA:11:" + print[4:]}},
			{Name: "hems.example.ie", To: remote.Dashboard, Rule: Access, Audience: "app"},
			{Name: "two.example.ie", To: remote.Dashboard, Rule: SignIn, SecondFactor: true},
			{Name: "odd.example.ie", To: remote.Dashboard, Rule: "perhaps"},
			{Name: "bare.example.ie", To: remote.HomeAssistant, Rule: ClientCertificate},
		},
	}
	for _, c := range change {
		c(&o)
	}
	return New(o)
}

// noTeam is a team that is not to be reached.
type noTeam struct{}

func (noTeam) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no route to host")
}

// TestRules: what comes in at which socket, by which headers.
func TestRules(t *testing.T) {
	tunnel := newTunnel()
	edge := map[string][]string{"Cf-Connecting-Ip": {"203.0.113.7"}, "Cf-Visitor": {`{"scheme":"https"}`}}
	cert := map[string][]string{"Cf-Cert-Presented": {"true"}, "Cf-Cert-Verified": {"true"}, "Cf-Cert-Revoked": {"false"}, "Cf-Cert-Fingerprint-Sha256": {print}}
	with := func(all ...map[string][]string) http.Header {
		h := http.Header{}
		for _, one := range all {
			for k, v := range one {
				h[k] = v
			}
		}
		return h
	}
	seen := remote.Arrival{Way: remote.Cloudflare, Address: netip.MustParseAddr("203.0.113.7"), Secure: true}
	strict := seen
	strict.SecondFactor = true
	phone := seen
	phone.Certificate = "certificate aa11bb22"
	for name, tt := range map[string]struct {
		to     remote.Target
		host   string
		header http.Header
		want   remote.Arrival
		status int // of a refusal; 0: none
	}{
		"SignIn":             {remote.HomeAssistant, "ha.example.ie", with(edge), seen, 0},
		"InCapitals":         {remote.HomeAssistant, "HA.Example.IE", with(edge), seen, 0},
		"WithItsPort":        {remote.HomeAssistant, "ha.example.ie:443", with(edge), seen, 0},
		"WithAnotherPort":    {remote.HomeAssistant, "ha.example.ie:80", with(edge), seen, 421},
		"TwoFactors":         {remote.Dashboard, "two.example.ie", with(edge), strict, 0},
		"NoRule":             {remote.HomeAssistant, "other.example.ie", with(edge), seen, 421},
		"NoHost":             {remote.HomeAssistant, "", with(edge), seen, 421},
		"WrongSocket":        {remote.Dashboard, "ha.example.ie", with(edge), seen, 421},
		"RuleThatIsNone":     {remote.Dashboard, "odd.example.ie", with(edge), seen, 403},
		"NotByCloudflare":    {remote.HomeAssistant, "ha.example.ie", with(map[string][]string{"Cf-Visitor": edge["Cf-Visitor"], "X-Forwarded-For": {"203.0.113.7"}}), seen, 403},
		"TwoAddresses":       {remote.HomeAssistant, "ha.example.ie", with(edge, map[string][]string{"Cf-Connecting-Ip": {"6.6.6.6", "203.0.113.7"}}), seen, 403},
		"NoAddress":          {remote.HomeAssistant, "ha.example.ie", with(edge, map[string][]string{"Cf-Connecting-Ip": {"203.0.113.7, 6.6.6.6"}}), seen, 403},
		"InTheClear":         {remote.HomeAssistant, "ha.example.ie", with(edge, map[string][]string{"Cf-Visitor": {`{"scheme":"http"}`}}), seen, 403},
		"NobodySaysHow":      {remote.HomeAssistant, "ha.example.ie", with(map[string][]string{"Cf-Connecting-Ip": edge["Cf-Connecting-Ip"]}), seen, 403},
		"Certificate":        {remote.HomeAssistant, "phone.example.ie", with(edge, cert), phone, 0},
		"CertificateColons":  {remote.HomeAssistant, "phone.example.ie", with(edge, cert, map[string][]string{"Cf-Cert-Fingerprint-Sha256": {strings.ToUpper("aa:" + print[2:])}}), phone, 0},
		"NoCertificate":      {remote.HomeAssistant, "phone.example.ie", with(edge), seen, 403},
		"NotVerified":        {remote.HomeAssistant, "phone.example.ie", with(edge, cert, map[string][]string{"Cf-Cert-Verified": {"false"}}), seen, 403},
		"Revoked":            {remote.HomeAssistant, "phone.example.ie", with(edge, cert, map[string][]string{"Cf-Cert-Revoked": {"true"}}), seen, 403},
		"NobodySaysRevoked":  {remote.HomeAssistant, "phone.example.ie", with(edge, cert, map[string][]string{"Cf-Cert-Revoked": nil}), seen, 403},
		"SaidTwice":          {remote.HomeAssistant, "phone.example.ie", with(edge, cert, map[string][]string{"Cf-Cert-Verified": {"true", "false"}}), seen, 403},
		"AnotherCertificate": {remote.HomeAssistant, "phone.example.ie", with(edge, cert, map[string][]string{"Cf-Cert-Fingerprint-Sha256": {"00" + print[2:]}}), seen, 403},
		"NoCertificateNamed": {remote.HomeAssistant, "bare.example.ie", with(edge, cert), seen, 403},
		"NoPrint":            {remote.HomeAssistant, "bare.example.ie", with(edge, cert, map[string][]string{"Cf-Cert-Fingerprint-Sha256": {""}}), seen, 403},
		"AccessWithoutToken": {remote.Dashboard, "hems.example.ie", with(edge), seen, 403},
		"AccessByAnEmail":    {remote.Dashboard, "hems.example.ie", with(edge, map[string][]string{"Cf-Access-Authenticated-User-Email": {"owner@example.com"}}), seen, 403},
		"AccessGarbage":      {remote.Dashboard, "hems.example.ie", with(edge, map[string][]string{"Cf-Access-Jwt-Assertion": {"a.b.c"}}), seen, 403},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/x?y=z", nil)
			r.Host, r.Header = tt.host, tt.header
			got, err := tunnel.admit(r, remote.Arrival{Way: remote.Cloudflare}, tt.to)
			if tt.status == 0 {
				if diff := cmp.Diff(tt.want, got, cmpopts.EquateComparable(netip.Addr{})); err != nil || diff != "" {
					t.Errorf("got %v (-want +got):\n%s", err, diff)
				}
				return
			}
			no, ok := errors.AsType[*remote.Refusal](err)
			if !ok || no.Status != tt.status {
				t.Errorf("got %+v, %v; want a refusal of status %d", got, err, tt.status)
			}
			if ok && name == "InTheClear" && no.Location != "https://ha.example.ie/x?y=z" {
				t.Errorf("leads to %q", no.Location)
			}
		})
	}
}

// TestSockets are for the gateway's own user, and take the place of one that was
// left.
func TestSockets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cloudflare")
	tunnel := newTunnel(func(o *Options) { o.Dir = dir })
	if n := len(newTunnel(func(o *Options) { o.Enabled = false }).Doors()); n != 0 {
		t.Errorf("a tunnel that is off has %d doors", n)
	}
	for range 2 {
		for _, d := range tunnel.Doors() {
			l, err := d.Listen(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if u, ok := l.(*net.UnixListener); ok {
				u.SetUnlinkOnClose(false)
			}
			info, err := os.Stat(Socket(dir, d.Target))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", d.Name, info, err)
			}
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", info, err)
	}
}

// TestCloudflaredIsKeptRunning with a program in its place: it is given the token, and
// nothing else of ours; it is asked how it is, started again, and ended.
func TestCloudflaredIsKeptRunning(t *testing.T) {
	var connections atomic.Int64
	edge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := connections.Load()
		if r.URL.Path != "/ready" || n == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintf(w, `{"status":200,"readyConnections":%d}`, n)
	}))
	defer edge.Close()
	dir := t.TempDir()
	program, starts, token := filepath.Join(dir, "cloudflared"), filepath.Join(dir, "starts"), filepath.Join(dir, "token")
	script := fmt.Sprintf("#!/bin/sh\necho \"$TUNNEL_TOKEN|$HEMS_SECRET|$*\" >> %s\necho 'INF Starting metrics server on %s/metrics' >&2\nread x < %s\n", starts, strings.TrimPrefix(edge.URL, "http://"), filepath.Join(dir, "end"))
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := mkfifo(filepath.Join(dir, "end")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HEMS_SECRET", "not for others")
	tunnel := newTunnel(func(o *Options) { o.Program, o.Tokens = program, []string{filepath.Join(dir, "none"), token} })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); tunnel.Run(ctx) }()
	defer func() { cancel(); <-done }()
	await := func(state remote.State) remote.Status {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if s := tunnel.Status(); s.State == state {
				return s
			}
		}
		t.Fatalf("it is %+v, want %s", tunnel.Status(), state)
		panic("unreachable")
	}
	await(remote.NeedsYou)
	if err := os.WriteFile(token, []byte("the-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	await(remote.Down) // it runs, and has no connection
	connections.Store(4)
	s := await(remote.Up)
	if s.Since.IsZero() || len(s.Links) != 6 || s.Links[0] != "https://ha.example.ie/" || !strings.Contains(s.Detail, "4 connections") {
		t.Errorf("up: %+v", s)
	}
	connections.Store(0)
	await(remote.Down)
	if err := os.WriteFile(filepath.Join(dir, "end"), []byte("x\n"), 0o600); err != nil { // it ends
		t.Fatal(err)
	}
	connections.Store(2)
	await(remote.Up)
	b, err := os.ReadFile(starts)
	if err != nil {
		t.Fatal(err)
	}
	want := "the-token||tunnel --no-autoupdate --metrics 127.0.0.1:0 run\n"
	if diff := cmp.Diff(want+want, string(b)); diff != "" {
		t.Errorf("it was started with (-want +got):\n%s", diff)
	}
}

func TestWithoutTheProgramItIsSaid(t *testing.T) {
	tunnel := newTunnel(func(o *Options) { o.Program = "" })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); tunnel.Run(ctx) }()
	for deadline := time.Now().Add(time.Minute); tunnel.Status().State != remote.Down; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("got %+v", tunnel.Status())
		}
	}
	cancel()
	<-done
	off := newTunnel(func(o *Options) { o.Enabled = false })
	off.Run(t.Context()) // ends at once
	if s := off.Status(); s.State != remote.Off || !s.Since.IsZero() {
		t.Errorf("one that is off: %+v", s)
	}
}

func mkfifo(path string) error { return syscall.Mkfifo(path, 0o600) }

// oneKey is a team with one key.
type oneKey struct{ key *rsa.PrivateKey }

func (k oneKey) RoundTrip(*http.Request) (*http.Response, error) {
	b, err := json.Marshal(map[string]any{"keys": []any{map[string]string{"kid": "k1", "kty": "RSA", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(k.key.N.Bytes())}}})
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Body: io.NopCloser(bytes.NewReader(b))}, err
}

// TestWhomAccessLetsIn is known by name, and for its own application alone.
func TestWhomAccessLetsIn(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tunnel := newTunnel(func(o *Options) { o.Client = oneKey{key} })
	token := func(audience string) string {
		text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"k1"}`)) + "." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil,
			`{"iss":"https://smartcore.cloudflareaccess.com","aud":[%q],"email":"alice@example.com","exp":%d,"iat":%d}`, audience, time.Now().Add(time.Hour).Unix(), time.Now().Unix()))
		sum := sha256.Sum256([]byte(text))
		sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return text + "." + base64.RawURLEncoding.EncodeToString(sig)
	}
	for audience, good := range map[string]bool{"app": true, "another": false} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = "hems.example.ie"
		r.Header = http.Header{"Cf-Connecting-Ip": {"203.0.113.7"}, "Cf-Visitor": {`{"scheme":"https"}`}, "Cf-Access-Jwt-Assertion": {token(audience)}}
		a, err := tunnel.admit(r, remote.Arrival{Way: remote.Cloudflare}, remote.Dashboard)
		if (err == nil) != good || (a.Identity.Login == "alice@example.com") != good {
			t.Errorf("for %s: got %+v, %v", audience, a, err)
		}
	}
}
