package gateway

import (
	"context"
	"errors"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/smartcore-ireland/hems/internal/client"
)

// updateBody is the page about updates; its templates also make what the script
// asks for while one is under way.
type updateBody struct {
	Problem   *problem
	Away      bool // nothing of the rest is known
	System    client.System
	Update    client.Update
	Steps     []pairRow // while one is under way
	Percent   int       // of the step that is being done; -1: unknown
	Feed      string
	Before    string           // the version that can be gone back to; empty: none
	Address   string           // of the update port's host
	Password  *client.Password // when it was asked for
	Size      string           // of what the feed has
	OnCard    bool
	MaxBundle int64
}

// Step words of an update, in the order in which they come.
var updateSteps = []struct{ phase, words string }{
	{client.Receiving, "Sent to the appliance"},
	{client.Verifying, "Its signature checked"},
	{client.Writing, "Written beside the running system"},
	{client.Restarting, "Restarted into it"},
	{client.Trying, "Tried: everything works"},
}

func (g *Gateway) updateBody(ctx context.Context) (int, updateBody) {
	b := updateBody{Percent: -1, MaxBundle: bundle.body}
	var err error
	if b.System, err = g.manager.System(ctx); err == nil {
		b.Update, err = g.update(ctx)
	}
	if err != nil {
		status, p := g.problem(err)
		b.Problem, b.Away = p, true
		return status, b
	}
	g.watch.note(b.Update) // the notice on the page is of the same moment
	b.OnCard = b.System.OnCard()
	if o := b.System.Other; o != nil && o.Whole && !b.System.Trial {
		b.Before = o.Version
	}
	if a := b.Update.Available; a != nil && a.Size > 0 {
		b.Size = formatBytes(a.Size)
	}
	if b.Update.Busy() {
		b.Steps, b.Percent = updateRows(b.Update)
	}
	b.Feed = g.feed(ctx)
	return http.StatusOK, b
}

func updateRows(u client.Update) ([]pairRow, int) {
	now := slices.IndexFunc(updateSteps, func(s struct{ phase, words string }) bool { return s.phase == u.Phase })
	var rows []pairRow
	for i, s := range updateSteps {
		row := pairRow{Words: s.words, State: "todo"}
		switch {
		case i < now:
			row.State = "done"
		case i == now:
			row.State = "doing"
		}
		rows = append(rows, row)
	}
	if u.Progress <= 0 || u.Progress > 1 {
		return rows, -1
	}
	return rows, int(u.Progress * 100)
}

// feed is the address that hems.yaml has for updates; empty when it has none or
// is not to be had.
func (g *Gateway) feed(ctx context.Context) string {
	c, err := g.manager.Config(ctx)
	if err != nil {
		return ""
	}
	var v struct {
		Update struct {
			Feed string `yaml:"feed"`
		} `yaml:"update"`
	}
	if yaml.Unmarshal([]byte(c.Text), &v) != nil {
		return ""
	}
	return v.Update.Feed
}

func (g *Gateway) updatePage(w http.ResponseWriter, r *http.Request) {
	status, b := g.updateBody(r.Context())
	if !g.part(w, r, "update-part", b) {
		g.showUpdate(w, r, status, b)
	}
}

func (g *Gateway) showUpdate(w http.ResponseWriter, r *http.Request, status int, b updateBody) {
	b.Address = r.Host
	g.show(w, r, status, "update.html", g.page(r, "update", "Update", b))
}

// afterUpdate leads back to the page, or shows there what went wrong.
func (g *Gateway) afterUpdate(w http.ResponseWriter, r *http.Request, err error) {
	if err == nil {
		g.look(r.Context())
		http.Redirect(w, r, "/system/update", http.StatusSeeOther)
		return
	}
	_, b := g.updateBody(r.Context())
	var status int
	status, b.Problem = g.problem(err)
	g.showUpdate(w, r, status, b)
}

// sendUpdate takes a bundle from the form; the script uploads to the interface
// for programs instead, to show how far it is.
func (g *Gateway) sendUpdate(w http.ResponseWriter, r *http.Request) {
	older := false
	err := eachPart(r, func(p *multipart.Part) (bool, error) {
		switch p.FormName() {
		case "older":
			older = true
		case "bundle":
			u := &upload{body: p}
			_, err := g.manager.SendUpdate(r.Context(), u, 0, older)
			u.drain()
			return false, err
		}
		return true, nil
	})
	g.afterUpdate(w, r, err)
}

// errForm is a form that was not sent as these pages send it.
var errForm = &client.Error{Status: http.StatusBadRequest, Code: "form", Message: "the form is damaged or not complete", Hint: "load the page again and choose the file once more"}

// eachPart hands the parts of a form on as they arrive, until use returns false.
// Fields come before the file. A form that ends before that is an error.
func eachPart(r *http.Request, use func(*multipart.Part) (more bool, err error)) error {
	form, err := r.MultipartReader()
	if err != nil {
		return errForm
	}
	for {
		p, err := form.NextPart()
		if err != nil {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				return large
			}
			return errForm
		}
		if more, err := use(p); !more || err != nil {
			return err
		}
	}
}

func (g *Gateway) checkFeed(w http.ResponseWriter, r *http.Request) {
	g.afterUpdate(w, r, g.manager.CheckFeed(r.Context()))
}

func (g *Gateway) installAvailable(w http.ResponseWriter, r *http.Request) {
	g.afterUpdate(w, r, g.manager.InstallAvailable(r.Context()))
}

func (g *Gateway) goBack(w http.ResponseWriter, r *http.Request) {
	g.afterUpdate(w, r, g.manager.Rollback(r.Context()))
}

func (g *Gateway) setFeed(w http.ResponseWriter, r *http.Request) {
	g.afterUpdate(w, r, g.manager.SetConfig(r.Context(), "update.feed", r.PostFormValue("feed")))
}

func (g *Gateway) setDeveloper(w http.ResponseWriter, r *http.Request) {
	g.afterUpdate(w, r, g.manager.SetConfig(r.Context(), "update.developer", r.PostFormValue("developer") == "on"))
}

// updatePassword shows the password of the update port on the page that answers,
// which no browser keeps.
func (g *Gateway) updatePassword(w http.ResponseWriter, r *http.Request) {
	p, err := g.manager.UpdatePassword(r.Context())
	if err != nil {
		g.afterUpdate(w, r, err)
		return
	}
	status, b := g.updateBody(r.Context())
	b.Password = &p
	g.showUpdate(w, r, status, b)
}

// verdictNotice is what became of the last update, at the top of every page
// until somebody has read it.
type verdictNotice struct {
	Good       bool
	What, Todo string
	Back       string // the page to come back to
}

func (g *Gateway) verdictNotice(r *http.Request) *verdictNotice {
	v := g.watch.verdict()
	if v == nil {
		return nil
	}
	n := &verdictNotice{Good: v.Result == client.Installed, Back: "/"}
	if r.Method == http.MethodGet {
		n.Back = localPath(r.URL.Path)
	}
	update := "The update"
	if v.Version != "" {
		update += " to " + v.Version
	}
	as := "Your appliance runs as before."
	if v.From != "" {
		as = "Your appliance runs " + v.From + " as before."
	}
	why := "."
	if v.Why != "" {
		why = ": " + ended(v.Why)
	}
	switch v.Result {
	case client.Installed:
		n.What = "Version " + v.Version + " is installed."
		if v.From != "" {
			n.Todo = "It was " + v.From + " before. Everything was checked and works."
		}
	case client.Returned:
		n.What, n.Todo = update+" was tried and did not work"+why, as
	case client.Refused:
		n.What, n.Todo = update+" was refused"+why, "Nothing was changed. "+as
	default:
		n.What, n.Todo = update+" could not be written"+why, as
	}
	return n
}

// ended is the end of a sentence, which stays as it is but for the full stop.
func ended(s string) string {
	return strings.TrimRight(strings.TrimSpace(s), ".") + "."
}

// seenVerdict takes the notice away.
func (g *Gateway) seenVerdict(w http.ResponseWriter, r *http.Request) {
	err := g.manager.VerdictSeen(r.Context())
	if err != nil {
		g.afterUpdate(w, r, err)
		return
	}
	g.look(r.Context())
	http.Redirect(w, r, localPath(r.PostFormValue("next")), http.StatusSeeOther)
}
