package manager

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/backup"
	"github.com/smartcore-ireland/hems/internal/diagnostics"
	"github.com/smartcore-ireland/hems/internal/hemsyaml"
	"github.com/smartcore-ireland/hems/internal/hemsyaml/api"
	"github.com/smartcore-ireland/hems/internal/pki"
	"github.com/smartcore-ireland/hems/internal/reply"
	"github.com/smartcore-ireland/hems/internal/seed"
)

// kept is what the manager looks after as files: hems.yaml, the certificate
// authority, backups, and what a card was given when it was written.
type kept struct {
	env       appliance.Env
	hems      *settings
	config    *hemsyaml.File
	authority *pki.Authority // nil: it could not be had, which was said
	backups   *backup.Service
	importing sync.Mutex // one import at a time
}

// newKept takes over the card's seed and brings the certificates up to date.
// restart is called when a restore waits for the next start; nil: nobody can
// start this appliance again from within.
func newKept(env appliance.Env, hems *settings, restart func(why string)) *kept {
	k := &kept{env: env, hems: hems}
	k.config = hemsyaml.Open(hemsyaml.Options{
		Path:    env.Path(appliance.ConfigFile),
		History: env.Path("manager", "config"),
		Check:   check,
		Perm:    0o640,
	})
	if _, err := k.config.Read(); err != nil { // what an editor changed meanwhile is kept from now on
		env.Log.Error("the history of hems.yaml is not kept", "err", err)
	}
	taken, err := seed.Take(seed.Options{Data: env.Data, Config: k.config, Log: env.Log})
	if err != nil {
		env.Log.Error("what the card was given was not taken over", "err", err)
	}
	if taken && env.Card { // the owners of what it brought
		if err := env.TakeOver(); err != nil {
			env.Log.Error("not everything on the card has its right owner", "err", err)
		}
	}
	k.authority, err = pki.Open(k.pki())
	if err != nil {
		env.Log.Error("the appliance has no certificates", "err", err)
	}
	k.backups = backup.NewService(backup.ServiceOptions{
		Data: env.Data, Items: items(env), Version: appliance.Version,
		HostName: k.hostName, Restart: restart, Log: env.Log,
	})
	return k
}

func (k *kept) hostName() string { return k.hems.config().Home.HostName }

// check says all that is wrong in a hems.yaml.
func check(text []byte) (out []hemsyaml.Problem) {
	_, problems, err := appliance.ParseConfig(text)
	if err != nil {
		return []hemsyaml.Problem{notYAML(err)}
	}
	for _, p := range problems {
		out = append(out, hemsyaml.Problem{Line: p.Line, Text: p.Text})
	}
	return out
}

var atLine = regexp.MustCompile(`\bline (\d+): `)

// notYAML takes the line out of an error of YAML.
func notYAML(err error) hemsyaml.Problem {
	text := err.Error()
	m := atLine.FindStringSubmatch(text)
	if m == nil {
		return hemsyaml.Problem{Text: text}
	}
	line, _ := strconv.Atoi(m[1])
	return hemsyaml.Problem{Line: line, Text: strings.Replace(text, m[0], "", 1)}
}

func (k *kept) pki() pki.Options {
	o := pki.Options{
		Dir:          k.env.Path("pki"),
		Holders:      []pki.Holder{{Name: "gateway"}, {Name: "broker"}},
		Phones:       "gateway",
		Host:         k.hostName,
		Synchronised: func() bool { return true },
		Built:        appliance.Built(),
		Log:          k.env.Log,
	}
	if k.env.Card {
		o.Synchronised = func() bool { // the file is made when the clock is set
			_, err := os.Stat(k.env.Run("clock.json"))
			return err == nil
		}
		for i := range o.Holders {
			o.Holders[i].GID = appliance.UserOf("hems-" + o.Holders[i].Name).ID
		}
	}
	return o
}

// items are what all processes have registered for a backup.
func items(env appliance.Env) (out []backup.Item) {
	for _, p := range appliance.Processes {
		for _, kept := range p.Keeps {
			item := backup.Item{Path: kept.Path, Owner: p.Name, Except: kept.Except}
			if kept.Snapshot != "" {
				item.Snapshot = &backup.Snapshot{
					File: kept.Snapshot, Open: backup.FromSocket(env.Run(p.Socket)),
					Lock: kept.Lock, Files: kept.Copies, What: kept.What,
				}
			}
			out = append(out, item)
		}
	}
	return out
}

// handlers are the routes of all of it.
func (k *kept) handlers() map[string]http.Handler {
	h := map[string]http.Handler{
		"GET /v1/diagnostics": diagnostics.Handler(k.diagnostics),
		"GET /v1/import":      http.HandlerFunc(k.getImport),
		"POST /v1/import":     http.HandlerFunc(k.postImport),
		"GET /v1/ca": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if k.authority == nil {
				reply.Refuse(w, http.StatusServiceUnavailable, reply.Refusal{Code: "no_authority",
					Error: "the appliance has no certificate authority", Hint: "look at the last lines of hems-manager in the logs"})
				return
			}
			k.authority.ServeHTTP(w, r)
		}),
	}
	maps.Copy(h, k.backups.Handlers())
	maps.Copy(h, newMQTTUsers(k.env, k.authority).handlers())
	maps.Copy(h, (&phones{k.env, k.authority}).handlers())
	maps.Copy(h, api.Handlers(k.config, k.env.Log, func() {
		k.hems.config() // owners, and what depends on it here, at once
		if k.authority != nil {
			if _, err := k.authority.Renew(); err != nil {
				k.env.Log.Error("certificates are not renewed", "err", err)
			}
		}
	}))
	return h
}

// run renews certificates until ctx ends.
func (k *kept) run(ctx context.Context) {
	if k.authority != nil {
		k.authority.Run(ctx)
	}
}

// diagnostics asks the manager's own socket, as anybody would.
func (k *kept) diagnostics() diagnostics.Options {
	o := diagnostics.Options{Data: k.env.Data, Config: appliance.ConfigFile}
	for _, p := range []struct {
		name, path string
		said       bool
	}{
		{"system.json", "/v1/system", false},
		{"health.json", "/v1/health", false},
		{"update.json", "/v1/update", false},
		{"metrics.txt", "/v1/metrics", false},
		{"logs.txt", "/v1/logs?lines=10000", true},
	} {
		o.Parts = append(o.Parts, diagnostics.Part{Name: p.name, Said: p.said, Write: func(ctx context.Context, w io.Writer) error {
			return k.ask(ctx, p.path, w)
		}})
	}
	return o
}

// ask copies an answer of the manager, JSON for people to read.
func (k *kept) ask(ctx context.Context, path string, w io.Writer) error {
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", k.env.Run("manager.sock"))
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://manager"+path, nil)
	if err != nil {
		return err
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("asking the manager: %w", err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") != "application/json" {
		_, err = io.Copy(w, resp.Body)
		return err
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return err
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, b, "", "  ") != nil {
		pretty.Reset()
		pretty.Write(b)
	}
	_, err = pretty.WriteTo(w)
	return err
}
