package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
)

// destinationsBody is where readings go beside this appliance; its template also
// makes what the script asks for every few seconds.
type destinationsBody struct {
	Problem *problem
	Rows    []destinationRow
	Said    string // what was asked for last, for who asked
	Today   string // the last day that can be asked for
}

// destinationRow is one of them in words.
type destinationRow struct {
	Name, Kind, URL string
	State           string // of the sign beside it: "ok", "starting", "note", "failing"
	Words           string // the state in words
	What, Todo      string // what is wrong, and what to do
	Percent         int    // of catching up; 100: nothing much waits
	Facts           []fact
	Aside           int64
}

var kindTitles = map[string]string{
	"influxdb2": "InfluxDB 2", "influxdb1": "InfluxDB 1", "influxdb3": "InfluxDB 3", "victoriametrics": "VictoriaMetrics",
}

func (g *Gateway) destinationsBody(ctx context.Context) (int, destinationsBody) {
	b := destinationsBody{Today: g.o.Clock().In(g.o.Home.TimeZone).Format(time.DateOnly)}
	list, err := g.metrics.Destinations(ctx)
	if err != nil {
		status, p := g.metricsProblem(err)
		b.Problem = p
		return status, b
	}
	for _, d := range list {
		b.Rows = append(b.Rows, g.destinationRow(d))
	}
	return http.StatusOK, b
}

// metricsProblem is what the metrics writer refused or could not do, in sentences.
func (g *Gateway) metricsProblem(err error) (int, *problem) {
	status, e := g.explainMetrics(err)
	return status, &problem{Message: sentence(e.Message), Hint: sentence(e.Hint)}
}

func (g *Gateway) destinationRow(d client.Destination) destinationRow {
	row := destinationRow{Name: d.Name, Kind: kindTitles[d.Kind], URL: d.URL, Percent: 100, Aside: d.Aside}
	switch d.State {
	case client.UpToDate:
		row.State, row.Words = "ok", "has everything"
	case client.Sending:
		row.State, row.Words = "starting", "is catching up"
	case client.Refusing:
		row.State, row.Words = "failing", "needs your attention"
	default:
		row.State, row.Words = "note", "is away"
	}
	if d.Message != "" {
		row.What, row.Todo = sentence(d.Message), sentence(d.Hint)
	}
	if d.Backlog > 0 && d.State != client.UpToDate {
		row.Percent = min(99, int(100*d.Progress))
	}
	add := func(name, value string) { row.Facts = append(row.Facts, fact{name, value}) }
	if d.Backlog > 0 {
		waiting := grouped(int(d.Backlog))
		if !d.Oldest.IsZero() && d.State != client.UpToDate {
			waiting += ", since " + g.when(d.Oldest)
		}
		add("Waiting", waiting)
	}
	if d.State == client.Sending && d.Rate >= 1 {
		add("Speed", grouped(int(d.Rate))+" a second")
	}
	if d.Rest > 0 {
		add("Done in", inTime(d.Rest))
	}
	if !d.RetryAt.IsZero() && d.Message != "" {
		add("Tried again", "at "+d.RetryAt.In(g.o.Home.TimeZone).Format("15:04:05"))
	}
	if !d.Taken.IsZero() {
		add("Last taken", g.when(d.Taken))
	}
	if d.Aside > 0 {
		add("Put aside", grouped(int(d.Aside+d.AsideMore)))
	}
	if d.Lost > 0 {
		add("Deleted before they were sent", grouped(int(d.Lost)))
	}
	return row
}

// inTime says how long something will take, in the largest unit that fits.
func inTime(seconds float64) string {
	switch {
	case seconds < 90:
		return fmt.Sprintf("about %.0f s", max(1, seconds))
	case seconds < 90*60:
		return fmt.Sprintf("about %.0f min", seconds/60)
	case seconds < 36*3600:
		return fmt.Sprintf("about %.0f h", seconds/3600)
	}
	return fmt.Sprintf("about %.0f days", seconds/24/3600)
}

func (g *Gateway) destinationsPage(w http.ResponseWriter, r *http.Request) {
	status, b := g.destinationsBody(r.Context())
	if g.part(w, r, "destinations-part", b) {
		return
	}
	if n := r.URL.Query().Get("again"); n != "" && len(n) < 20 {
		b.Said = "Sending again: " + n + " readings. It goes on by itself; the line below shows how far it is."
	}
	g.show(w, r, status, "destinations.html", g.page(r, "destinations", "Destinations", b))
}

// afterDestinations shows what was refused, or the page with what was begun.
func (g *Gateway) afterDestinations(w http.ResponseWriter, r *http.Request, n client.Resent, err error) {
	if err != nil {
		_, b := g.destinationsBody(r.Context())
		var status int
		status, b.Problem = g.metricsProblem(err)
		g.show(w, r, status, "destinations.html", g.page(r, "destinations", "Destinations", b))
		return
	}
	http.Redirect(w, r, "/system/destinations?again="+url.QueryEscape(grouped(int(n.Readings))), http.StatusSeeOther)
}

// resend has everything since a day, as the home counts days, sent again.
func (g *Gateway) resend(w http.ResponseWriter, r *http.Request) {
	from, err := time.ParseInLocation(time.DateOnly, r.PostFormValue("from"), g.o.Home.TimeZone)
	if err != nil {
		g.afterDestinations(w, r, client.Resent{}, &client.Error{Status: http.StatusBadRequest, Code: "time",
			Message: "that is no day", Hint: "choose the day from which on readings are to be sent again"})
		return
	}
	n, err := g.metrics.Resend(r.Context(), r.PostFormValue("name"), from)
	g.afterDestinations(w, r, n, err)
}

func (g *Gateway) resendAside(w http.ResponseWriter, r *http.Request) {
	n, err := g.metrics.ResendAside(r.Context(), r.PostFormValue("name"))
	g.afterDestinations(w, r, n, err)
}

// asideBody is what a destination does not take.
type asideBody struct {
	Problem *problem
	Name    string
	Rows    []asideRow
	Next    int64 // the id after which there may be more; 0: these are all
}

type asideRow struct {
	ID           int64
	Entity, When string
	Line, Reason string
	Again        bool
}

// asideMost is how many the metrics writer tells at a time.
const asideMost = 200

func (g *Gateway) asidePage(w http.ResponseWriter, r *http.Request) {
	b := asideBody{Name: r.PathValue("name")}
	var after int64
	_, _ = fmt.Sscan(r.URL.Query().Get("after"), &after) // nonsense: from the first on
	list, err := g.metrics.Aside(r.Context(), b.Name, after)
	status := http.StatusOK
	if err != nil {
		status, b.Problem = g.metricsProblem(err)
	}
	for _, a := range list {
		b.Rows = append(b.Rows, asideRow{ID: a.ID, Entity: a.Entity, When: g.when(a.Time), Line: a.Line, Reason: sentence(a.Reason), Again: a.Again})
		if len(list) >= asideMost {
			b.Next = a.ID
		}
	}
	g.show(w, r, status, "aside.html", g.page(r, "destinations", "Put aside", b))
}
