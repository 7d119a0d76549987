package gateway

import (
	"context"
	"html/template"
	"net/http"
	"strings"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/gateway/signin"
	"github.com/smartcore-ireland/hems/internal/remote"
)

// Tailnet is the appliance's own node in a tailnet, for the page about it.
type Tailnet interface {
	remote.Reporter
	Address() string              // where a person adds the appliance; empty: nobody has to
	Join(key string)              // with a key of the tailnet's, which is kept nowhere
	SignIn(context.Context) error // asks for a new Address
	Leave(context.Context) error  // takes the appliance out of its tailnet
	FunnelReporter() remote.Reporter
}

// TailnetSettings are what hems.yaml says of it.
type TailnetSettings struct {
	Enabled    bool
	ControlURL string   // empty: Tailscale's
	Devices    []string // that can be reached through it, host:port
	Funnel     string   // "off", "dashboard" or "home_assistant"
}

// RoleOf is what a visitor may do whom a way in vouches for.
func (g *Gateway) RoleOf(way remote.Way, who remote.Identity) signin.Role {
	v, _ := g.known(remote.Arrival{Way: way, Identity: who})
	return v.role
}

// tailnetState is the answer of the JSON interface.
func (g *Gateway) tailnetState() client.Tailnet {
	s := g.o.TailnetSettings
	v := client.Tailnet{Enabled: s.Enabled, ControlURL: s.ControlURL, Devices: s.Devices, Funnel: s.Funnel}
	if v.Devices == nil {
		v.Devices = []string{}
	}
	if g.o.Tailnet != nil {
		v.Tailnet, v.Internet = wayOf(g.o.Tailnet.Status()), wayOf(g.o.Tailnet.FunnelReporter().Status())
		v.SignIn = g.o.Tailnet.Address()
	}
	return v
}

func wayOf(s remote.Status) client.Way {
	return client.Way{Way: string(s.Way), State: string(s.State), Since: s.Since, Detail: s.Detail, Action: s.Action, Links: s.Links}
}

var noTailnet = &client.Error{Status: http.StatusServiceUnavailable, Code: "no_tailnet",
	Message: "this appliance cannot join a tailnet", Hint: "look at the first lines of hems-gateway in the logs"}

// setTailnet does what a person asked for: "on", "off", "key" (with a key), "sign-in",
// "leave", or what is open to the internet.
func (g *Gateway) setTailnet(ctx context.Context, q client.TailnetChange) error {
	if g.o.Tailnet == nil {
		return noTailnet
	}
	switch q.Do {
	case "on", "off":
		return g.manager.SetConfig(ctx, "tailnet.enabled", q.Do == "on")
	case "key":
		key := strings.TrimSpace(q.Key)
		if len(key) < 8 || len(key) > 400 || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return &client.Error{Status: http.StatusUnprocessableEntity, Code: "bad_key", Message: "that is no key of a tailnet", Hint: "copy it from the tailnet’s admin console, whole: Tailscale’s begin with tskey-"}
		}
		g.o.Tailnet.Join(key)
		if g.o.TailnetSettings.Enabled {
			return nil
		}
		return g.manager.SetConfig(ctx, "tailnet.enabled", true)
	case "sign-in":
		return g.o.Tailnet.SignIn(ctx)
	case "leave":
		if err := g.o.Tailnet.Leave(ctx); err != nil {
			return err
		}
		return g.manager.SetConfig(ctx, "tailnet.enabled", false)
	case "control":
		return g.manager.SetConfig(ctx, "tailnet.control_url", strings.TrimSpace(q.ControlURL))
	case "devices":
		devices := q.Devices
		if devices == nil {
			devices = []string{}
		}
		return g.manager.SetConfig(ctx, "tailnet.devices", devices)
	case "funnel":
		if q.Funnel == "home_assistant" && g.o.HomeAssistant.Front == nil {
			return &client.Error{Status: http.StatusUnprocessableEntity, Code: "no_home_assistant", Message: "there is no Home Assistant behind this appliance", Hint: "give its address first"}
		}
		return g.manager.SetConfig(ctx, "tailnet.funnel", q.Funnel)
	}
	return &client.Error{Status: http.StatusUnprocessableEntity, Code: "bad_question", Message: "say on, off, key, sign-in, leave, control, devices or funnel"}
}

// tailnetBody is the page about it.
type tailnetBody struct {
	Problem *problem
	client.Tailnet
	Word, InternetWord string
	Code               template.HTML // of the address to sign in at
	DeviceLines        string
	Home               bool // there is a Home Assistant that Funnel could lead to
}

func (g *Gateway) tailnetBody() tailnetBody {
	b := tailnetBody{Tailnet: g.tailnetState(), Home: g.o.HomeAssistant.Front != nil}
	b.Word, b.InternetWord = wayWords[remote.State(b.Tailnet.Tailnet.State)], wayWords[remote.State(b.Internet.State)]
	b.DeviceLines = strings.Join(b.Devices, "\n")
	if b.SignIn != "" {
		code, err := qrSVG(b.SignIn)
		if err != nil {
			g.log.Error("drawing a code", "err", err)
		}
		b.Code = code
	}
	return b
}

func (g *Gateway) tailnetPage(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("part") == "tailnet-part" {
		g.showPart(w, r, "tailnet-part", g.tailnetBody())
		return
	}
	g.show(w, r, http.StatusOK, "tailnet.html", g.page(r, "tailnet", "Tailnet", g.tailnetBody()))
}

func (g *Gateway) changeTailnet(w http.ResponseWriter, r *http.Request) {
	q := client.TailnetChange{
		Do: r.PostFormValue("do"), Key: r.PostFormValue("key"), ControlURL: r.PostFormValue("control_url"),
		Devices: strings.Fields(r.PostFormValue("devices")), Funnel: r.PostFormValue("funnel"),
	}
	if err := g.setTailnet(r.Context(), q); err != nil {
		b := g.tailnetBody()
		if q.Do == "devices" {
			b.DeviceLines = r.PostFormValue("devices")
		}
		if q.Do == "control" {
			b.ControlURL = q.ControlURL
		}
		var status int
		status, b.Problem = g.problem(err)
		g.show(w, r, status, "tailnet.html", g.page(r, "tailnet", "Tailnet", b))
		return
	}
	http.Redirect(w, r, "/ways/tailnet", http.StatusSeeOther)
}

func (g *Gateway) apiTailnet(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, r, g.tailnetState())
}

func (g *Gateway) apiChangeTailnet(w http.ResponseWriter, r *http.Request) {
	var q client.TailnetChange
	if !g.readQuestion(w, r, &q) {
		return
	}
	if err := g.setTailnet(r.Context(), q); err != nil {
		g.refuseQuestion(w, err)
		return
	}
	writeJSON(w, r, struct{}{})
}
