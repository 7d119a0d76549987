package gateway

import (
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
)

// logLines is how many lines the page begins with, and maxLog bounds them in
// bytes.
const (
	logLines = 200
	maxLog   = 1 << 20
)

// logsBody is what the programs printed last.
type logsBody struct {
	Problem   *problem
	Processes []string
	Process   string // one of them; empty: all
	Text      string
	Lines     int
}

func (g *Gateway) logsPage(w http.ResponseWriter, r *http.Request) {
	b := logsBody{Processes: g.o.Processes, Process: r.URL.Query().Get("process"), Lines: logLines}
	if !slices.Contains(b.Processes, b.Process) {
		b.Process = ""
	}
	status := http.StatusOK
	text, err := g.lastLines(r, b.Process)
	if err != nil {
		status, b.Problem = g.problem(err)
	}
	b.Text = text
	g.show(w, r, status, "logs.html", g.page(r, "logs", "Logs", b))
}

func (g *Gateway) lastLines(r *http.Request, process string) (string, error) {
	body, err := g.manager.Logs(r.Context(), process, logLines, false)
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxLog))
	return string(text), err
}

// diagnostics answers with the zip, as it is made.
func (g *Gateway) diagnostics(w http.ResponseWriter, r *http.Request) {
	body, err := g.manager.Diagnostics(r.Context())
	if err != nil {
		b := logsBody{Processes: g.o.Processes, Lines: logLines}
		var status int
		status, b.Problem = g.problem(err)
		g.show(w, r, status, "logs.html", g.page(r, "logs", "Logs", b))
		return
	}
	defer body.Close()
	g.download(w, body, "application/zip", "hems-diagnostics-"+g.today()+".zip")
}

// configBody is hems.yaml and what it was before.
type configBody struct {
	Problem *problem
	Text    string
	History []change
}

type change struct {
	client.Change
	When string
}

func (g *Gateway) configBody(r *http.Request) (int, configBody) {
	c, err := g.manager.Config(r.Context())
	if err != nil {
		status, p := g.problem(err)
		return status, configBody{Problem: p}
	}
	b := configBody{Text: c.Text}
	zone := g.o.Home.TimeZone
	for _, h := range c.History {
		b.History = append(b.History, change{h, h.At.In(zone).Format("Mon 2 January 2006, " + time.TimeOnly)})
	}
	return http.StatusOK, b
}

func (g *Gateway) configPage(w http.ResponseWriter, r *http.Request) {
	status, b := g.configBody(r)
	g.show(w, r, status, "config.html", g.page(r, "config", "Configuration", b))
}

func (g *Gateway) restoreConfig(w http.ResponseWriter, r *http.Request) {
	if err := g.manager.RestoreConfig(r.Context(), r.PostFormValue("id")); err != nil {
		_, b := g.configBody(r)
		var status int
		status, b.Problem = g.problem(err)
		g.show(w, r, status, "config.html", g.page(r, "config", "Configuration", b))
		return
	}
	http.Redirect(w, r, "/system/config", http.StatusSeeOther)
}
