package gateway

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/smartcore-ireland/hems/internal/client"
)

// problem is what the manager refused or could not do, in sentences.
type problem struct{ Message, Hint string }

func (g *Gateway) problem(err error) (int, *problem) {
	status, e := g.explainSystem(err)
	return status, &problem{Message: sentence(e.Message), Hint: sentence(e.Hint)}
}

// refuseQuestion answers a program whose question has failed.
func (g *Gateway) refuseQuestion(w http.ResponseWriter, err error) {
	status, e := g.explainSystem(err)
	writeRefusal(w, status, e)
}

// sentence is what the manager says in lower case as it stands on a page.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	r, n := utf8.DecodeRuneInString(s)
	if s = string(unicode.ToUpper(r)) + s[n:]; !strings.ContainsAny(s[len(s)-1:], ".?!:)") {
		s += "."
	}
	return s
}

// stateBody is how everything is; its template also makes what the script asks
// for every few seconds.
type stateBody struct {
	Problem *problem
	Whole   string // the state of the whole; empty: unknown
	Parts   []client.Node
	Facts   []fact
	OnCard  bool
}

// fact is a line of the small print.
type fact struct{ Name, Value string }

func (g *Gateway) stateBody(ctx context.Context) (int, stateBody) {
	h, err := g.manager.Health(ctx)
	if err != nil {
		status, p := g.problem(err)
		return status, stateBody{Problem: p}
	}
	b := stateBody{Whole: h.State, Parts: h.Tree.Children}
	if len(b.Parts) == 0 && h.Tree.Name != "" {
		b.Parts = []client.Node{h.Tree}
	}
	s, err := g.manager.System(ctx)
	if err != nil {
		status, p := g.problem(err)
		b.Problem = p
		return status, b
	}
	b.Facts, b.OnCard = g.facts(s), s.OnCard()
	return http.StatusOK, b
}

// facts are what runs, on what, since when.
func (g *Gateway) facts(s client.System) []fact {
	var f []fact
	add := func(name, value string) {
		if value != "" {
			f = append(f, fact{name, value})
		}
	}
	add("Version", s.Version)
	add("Runs on", s.Model)
	if !s.OnCard() {
		add("Runs on", "a workstation, in development")
	}
	if s.Slot != "" {
		words := "system " + s.Slot
		if s.Trial {
			words += ", on trial"
		}
		add("Started from", words)
	}
	if s.Other != nil {
		words := "version " + s.Other.Version
		if !s.Other.Whole || s.Other.Version == "" {
			words = "empty"
		}
		add("System "+s.Other.Slot, words)
	}
	if s.Boot != nil && !s.Boot.At.IsZero() {
		add("Running since", g.when(s.Boot.At))
	}
	if s.Clock != nil {
		words := "not set yet"
		if s.Clock.Synchronised {
			words = "right"
			if s.Clock.Source != "" {
				words += ", by " + s.Clock.Source
			}
		}
		add("Clock", words)
	}
	if s.Perm != nil && s.Perm.Total > 0 {
		add("Free on the card", formatBytes(s.Perm.Free)+" of "+formatBytes(s.Perm.Total))
	}
	return f
}

// when is a moment in the home's time.
func (g *Gateway) when(at time.Time) string {
	zone := g.o.Home.TimeZone
	return formatSince(at.In(zone), g.o.Clock().In(zone))
}

// part answers with a piece of a page alone, for the script that keeps the page
// true. It reports whether that was asked for.
func (g *Gateway) part(w http.ResponseWriter, r *http.Request, name string, body any) bool {
	if r.URL.Query().Get("part") != name {
		return false
	}
	g.showPart(w, r, name, body)
	return true
}

func (g *Gateway) systemPage(w http.ResponseWriter, r *http.Request) {
	status, b := g.stateBody(r.Context())
	if !g.part(w, r, "state-part", b) {
		g.show(w, r, status, "system.html", g.page(r, "system", "System", b))
	}
}

// restart starts the appliance again, or one program of it.
func (g *Gateway) restart(w http.ResponseWriter, r *http.Request) {
	var err error
	process := r.PostFormValue("process")
	if process != "" {
		err = g.manager.RestartProcess(r.Context(), process)
	} else {
		err = g.manager.Reboot(r.Context())
	}
	if err != nil {
		_, b := g.stateBody(r.Context())
		var status int
		status, b.Problem = g.problem(err)
		g.show(w, r, status, "system.html", g.page(r, "system", "System", b))
		return
	}
	if process != "" {
		http.Redirect(w, r, "/system", http.StatusSeeOther)
		return
	}
	g.showWait(w, r, "The appliance restarts")
}

// waitBody is a page that waits for the appliance to come back.
type waitBody struct{ What string }

func (g *Gateway) showWait(w http.ResponseWriter, r *http.Request, what string) {
	g.show(w, r, http.StatusOK, "wait.html", g.page(r, "wait", what, waitBody{what}))
}
