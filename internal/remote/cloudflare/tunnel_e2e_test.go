//go:build e2e

package cloudflare

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/remote"
	"github.com/smartcore-ireland/hems/internal/testservers"
)

// edge is the test's own end of the tunnel.
type edge struct {
	public string // where visitors come
	args   string // by which cloudflared finds it
}

// startEdge lets all names of the tunnel lead to a service.
func startEdge(t *testing.T, service string) edge {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	cmd := exec.Command(testservers.FakeEdge.Binary(t), "-ca", ca, "-config", fmt.Sprintf(`{"ingress":[{"service":%q}],"warp-routing":{"enabled":false}}`, service))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	inner, outer, ok := strings.Cut(strings.TrimSpace(line), " ")
	if err != nil || !ok {
		t.Fatalf("the edge says %q: %v", line, err)
	}
	return edge{public: "http://" + outer, args: "--edge " + inner + " --protocol http2 --cacert " + ca}
}

// TestARealTunnel has the real cloudflared between an edge and the socket: a visitor's
// request arrives with what the edge says of it, and nothing that the visitor said.
func TestARealTunnel(t *testing.T) {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	secret := base64.StdEncoding.EncodeToString([]byte("a secret of thirty-two bytes ...")) // nobody checks it here
	if err := os.WriteFile(token, []byte(base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"a":"1","t":"11111111-1111-1111-1111-111111111111","s":%q}`, secret))), 0o600); err != nil {
		t.Fatal(err)
	}
	sockets := filepath.Join(dir, "s")
	e := startEdge(t, "unix:"+Socket(sockets, remote.HomeAssistant))
	program := filepath.Join(dir, "cloudflared") // with the words by which it finds this edge
	script := fmt.Sprintf("#!/bin/sh\nshift\nexec %s tunnel %s \"$@\"\n", testservers.Cloudflared.Binary(t), e.args)
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	tunnel := newTunnel(func(o *Options) {
		o.Dir, o.Tokens, o.Program = sockets, []string{token}, program
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	})
	var door remote.Door
	for _, d := range tunnel.Doors() {
		if d.Target == remote.HomeAssistant {
			door = d
		}
	}
	l, err := door.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := door.Admit(r, remote.Arrival{Way: remote.Cloudflare})
		if no, ok := err.(*remote.Refusal); ok {
			http.Error(w, no.Text, no.Status)
			return
		}
		fmt.Fprintf(w, "%s %s %v from %v", r.Host, r.RequestURI, a.Secure, a.Address)
	})}
	go srv.Serve(l)
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { tunnel.Run(ctx) })
	defer running.Wait()
	defer cancel()
	for deadline := time.Now().Add(2 * time.Minute); tunnel.Status().State != remote.Up; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came up: %+v", tunnel.Status())
		}
	}
	ask := func(host string) (int, string) {
		t.Helper()
		r, err := http.NewRequest("GET", e.public+"/hello?a=b", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		r.Header.Set("Cf-Connecting-Ip", "6.6.6.6")
		r.Header.Set("X-Forwarded-For", "6.6.6.6")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, strings.TrimSpace(string(b))
	}
	// The edge tells cloudflared where the tunnel leads after it counts as connected.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if status, body := ask("ha.example.ie"); status != http.StatusBadGateway {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("the edge has no tunnel: %s", body)
		}
	}
	for host, want := range map[string]string{
		"ha.example.ie":    "200 ha.example.ie /hello?a=b true from 203.0.113.7",
		"hems.example.ie":  "421 this name leads to the wrong socket",
		"other.example.ie": "421 this name has no rule on the appliance",
		"phone.example.ie": "403 this name wants a client certificate",
	} {
		status, body := ask(host)
		if got := fmt.Sprint(status, " ", body); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q", host, got, want)
		}
	}
}
