package gateway

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/gateway/live"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// stepWords are the steps of a pairing as a householder reads them, in the
// order in which they come.
var stepWords = []struct{ name, words string }{
	{"joined", "Announced"},
	{"node_descriptor", "What kind it is"},
	{"endpoints", "What it has"},
	{"basic", "Who made it"},
	{"binding", "Sends its readings here"},
	{"reporting", "Knows when to report"},
	{"first_reading", "First reading"},
}

// pairBody is the pairing page; its template also makes what the event stream
// sends.
type pairBody struct {
	live.Pairing
	Left   string // "4:14"
	Title  string // of the device: its name, or what it is
	Rows   []pairRow
	Failed string // what went wrong, as a sentence
	Done   bool
	Error  string // the request could not be made
}

type pairRow struct {
	Words string
	State string // "done", "doing", "failed", "todo"
	Time  string // since it was announced: "1.1 s"
}

func (g *Gateway) pairBody() pairBody {
	b := pairBody{Pairing: g.model.Pairing()}
	left := int(math.Ceil(b.LeftSec))
	b.Left = fmt.Sprintf("%d:%02d", left/60, left%60)
	if len(b.Steps) == 0 {
		return b
	}
	b.Title = "New device"
	for _, d := range g.model.Devices() {
		if d.Address == b.Address {
			b.Title = title(d)
		}
	}
	find := func(name string) (live.Step, bool) {
		i := slices.IndexFunc(b.Steps, func(s live.Step) bool { return s.Name == name })
		if i < 0 {
			return live.Step{}, false
		}
		return b.Steps[i], true
	}
	failed, hasFailed := find("failed")
	if hasFailed {
		b.Failed = capital(failed.Message)
	}
	waiting := false // the first step that is missing is being done
	for _, w := range stepWords {
		s, known := find(w.name)
		row := pairRow{Words: w.words, State: "todo"}
		switch {
		case known && s.OK:
			row.State, row.Time = "done", strconv.FormatFloat(s.Seconds, 'f', 1, 64)+" s"
		case known:
			row.State = "failed"
			if b.Failed == "" {
				b.Failed = capital(s.Message)
			}
		case !waiting && hasFailed:
			row.State, waiting = "failed", true
		case !waiting:
			row.State, waiting = "doing", true
		}
		b.Rows = append(b.Rows, row)
	}
	last, ok := find("first_reading")
	b.Done = ok && last.OK
	return b
}

func capital(s string) string {
	if s == "" {
		return "It did not answer."
	}
	return strings.ToUpper(s[:1]) + strings.TrimSuffix(s[1:], ".") + "."
}

func (g *Gateway) pairPage(w http.ResponseWriter, r *http.Request) {
	g.show(w, r, http.StatusOK, "pair.html", g.page(r, "pair", "Pair a device", g.pairBody()))
}

// permit opens the network for new devices, or closes it.
func (g *Gateway) permit(w http.ResponseWriter, r *http.Request) {
	seconds := int(live.MaxPermit.Seconds())
	if r.PostFormValue("do") == "stop" {
		seconds = 0
	} else if h := g.model.Health(); h.Part == "broker" || h.Part == "zigbee" {
		b := g.pairBody()
		b.Error = "The home cannot listen just now: see above. Start again when it is well."
		g.show(w, r, http.StatusServiceUnavailable, "pair.html", g.page(r, "pair", "Pair a device", b))
		return
	}
	if err := g.request(r.Context(), "permit_join", fmt.Sprintf(`{"time":%d}`, seconds)); err != nil {
		g.log.Warn("the network could not be opened for new devices", "err", err)
		b := g.pairBody()
		b.Error = "The home cannot listen just now. Try again in a few seconds."
		g.show(w, r, http.StatusServiceUnavailable, "pair.html", g.page(r, "pair", "Pair a device", b))
		return
	}
	http.Redirect(w, r, "/pair", http.StatusSeeOther)
}

// request asks the bridge for something, as any program may over MQTT.
func (g *Gateway) request(ctx context.Context, what, payload string) error {
	g.mu.Lock()
	client := g.client
	g.mu.Unlock()
	if client == nil {
		return mqttclient.ErrDown
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return client.Publish(ctx, mqttclient.Message{Topic: g.o.BaseTopic + "/bridge/request/" + what, Payload: []byte(payload), QoS: 1})
}
