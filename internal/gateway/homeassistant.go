package gateway

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/gateway/front"
	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// homeAssistant is what is known of the Home Assistant behind this appliance. It
// is also the answer of the JSON interface.
type homeAssistant struct {
	URL     string     `json:"url,omitempty"`   // empty: there is none
	State   string     `json:"state,omitempty"` // "ok", "away", "untrusted", "strange"; empty: not asked yet
	Since   *time.Time `json:"since,omitempty"`
	Message string     `json:"message,omitempty"` // what that means, a sentence
	Hint    string     `json:"hint,omitempty"`    // what to do about it
	Detail  string     `json:"detail,omitempty"`
	Address string     `json:"address,omitempty"`       // this appliance's, as Home Assistant sees it
	Lines   string     `json:"configuration,omitempty"` // for its configuration.yaml
}

func (g *Gateway) homeAssistant() homeAssistant {
	h := g.o.HomeAssistant
	if h.Front == nil {
		return homeAssistant{}
	}
	s := h.Front.State()
	a := homeAssistant{URL: h.URL, State: string(s.Verdict), Detail: s.Detail}
	if !s.Since.IsZero() {
		since := s.Since.In(g.o.Home.TimeZone)
		a.Since = &since
	}
	if s.Own.IsValid() {
		a.Address = s.Own.String()
		a.Lines = trustedProxies(s)
	}
	switch s.Verdict {
	case front.Well:
		a.Message = "Home Assistant answers, and takes what comes through this appliance."
	case front.Away:
		a.Message = "Home Assistant does not answer."
		a.Hint = "Look whether it runs, and whether its address is right. It is tried again all the time."
	case front.Untrusted:
		a.Message = "Home Assistant refuses what comes through this appliance."
		a.Hint = "Add the lines below to its configuration.yaml and restart it."
	case front.Strange:
		a.Message = "What answers there is not Home Assistant as it should be."
		a.Hint = "Look whether the address is right."
	}
	return a
}

// tellHealth says on MQTT how Home Assistant is, or else which phone's certificate
// ends, or which way in is shut that should be open, for the health tree. One that is
// away or does not trust this appliance is worth knowing and no fault of it: an
// update is not undone for it.
func (g *Gateway) tellHealth(ctx context.Context, client *mqttclient.Client) {
	var told health.Report
	for {
		r := health.Report{State: health.OK}
		if a := g.homeAssistant(); a.State != "" && a.State != string(front.Well) {
			r.Message, r.Hint, r.Detail = strings.TrimSuffix(a.Message, "."), "the dashboard has the details under More, Home Assistant", a.Detail
		} else if v, err := g.allPhones(); err == nil && v.Notice != "" {
			r.Message, r.Hint = strings.TrimSuffix(v.Notice, "."), "the dashboard has the details under More, Ways in, Phones"
		} else if s := g.shutWay(); s != nil {
			r.Message, r.Hint = wayTitles[s.Way]+": "+strings.TrimSuffix(s.Detail, "."), "the dashboard has the details under More, Ways in"
		}
		if r != told && client.Connected() {
			err := client.Publish(ctx, mqttclient.Message{Topic: health.Topic("gateway"), Payload: r.Payload(), QoS: 1, Retain: true})
			if err == nil {
				told = r
			}
		}
		if !wait(ctx, watchPause) {
			return
		}
	}
}

// trustedProxies are the lines by which Home Assistant believes this appliance
// where a visitor comes from.
func trustedProxies(s front.State) string {
	own := []string{s.Own.String()}
	if s.Own.IsLoopback() { // both run on one machine
		own = []string{"127.0.0.1", "::1"}
	}
	return "http:\n  use_x_forwarded_for: true\n  trusted_proxies:\n    - " + strings.Join(own, "\n    - ") + "\n"
}

func (g *Gateway) apiHomeAssistant(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, r, g.homeAssistant())
}

// homeWord is its state as it stands beside the way to the details.
func homeWord(h homeAssistant) string {
	switch {
	case h.URL == "" || h.State == "":
		return ""
	case h.State == string(front.Well):
		return "well"
	case h.State == string(front.Away):
		return "away"
	}
	return "not well"
}

// homeAssistantBody is the page about it.
type homeAssistantBody struct {
	Problem *problem
	homeAssistant
	SinceWords string
	Given      string // what was typed
	Open       string // where Home Assistant is for this visitor
}

func (g *Gateway) homeAssistantBody() homeAssistantBody {
	b := homeAssistantBody{homeAssistant: g.homeAssistant()}
	b.Given = b.URL
	if b.Since != nil {
		b.SinceWords = g.when(*b.Since)
	}
	return b
}

func (g *Gateway) homeAssistantPage(w http.ResponseWriter, r *http.Request) {
	g.show(w, r, http.StatusOK, "home-assistant.html", g.page(r, "home-assistant", "Home Assistant", g.homeAssistantBody()))
}

// setHomeAssistant changes the address in hems.yaml. The ports change with it, so
// the page that answers tells where the dashboard is now.
func (g *Gateway) setHomeAssistant(w http.ResponseWriter, r *http.Request) {
	to := strings.TrimSpace(r.PostFormValue("url"))
	if err := g.manager.SetConfig(r.Context(), "home_assistant.url", to); err != nil {
		b := g.homeAssistantBody()
		b.Given = to
		var status int
		status, b.Problem = g.problem(err)
		g.show(w, r, status, "home-assistant.html", g.page(r, "home-assistant", "Home Assistant", b))
		return
	}
	http.Redirect(w, r, "/system/home-assistant", http.StatusSeeOther)
}
