package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/pki"
	"github.com/smartcore-ireland/hems/internal/remote"
	"github.com/smartcore-ireland/hems/internal/remote/phones"
)

// phoneEnding is how long before its end a certificate is said to end.
const phoneEnding = 30 * 24 * time.Hour

// certified are the ways in at which a phone's certificate can be asked for.
var certified = []remote.Way{remote.LAN, remote.Funnel}

var noPhones = &client.Error{Status: http.StatusServiceUnavailable, Code: "no_authority",
	Message: "the appliance has no authority for phones’ certificates", Hint: "look at the last lines of hems-manager in the logs"}

// phones is which there are, each with when it was seen and how its certificate is.
func (g *Gateway) allPhones() (client.AllPhones, error) {
	v := client.AllPhones{Phones: []client.Phone{}, Modes: map[string]string{}}
	if g.o.Phones == nil {
		return v, noPhones
	}
	all, err := g.o.Phones.Phones()
	if err != nil {
		return v, err
	}
	for _, p := range all {
		v.Phones = append(v.Phones, g.phoneOf(p))
	}
	slices.SortStableFunc(v.Phones, func(a, b client.Phone) int {
		return cmp.Or(cmp.Compare(phoneOrder[a.State], phoneOrder[b.State]), strings.Compare(a.Name, b.Name), b.Made.Compare(a.Made))
	})
	for _, w := range certified {
		v.Modes[string(w)] = string(g.o.Phones.Asked(w))
	}
	v.Notice = g.phonesNotice(v.Phones)
	return v, nil
}

var phoneOrder = map[string]int{"ending": 0, "good": 1, "expired": 2, "revoked": 3}

func (g *Gateway) phoneOf(p pki.Phone) client.Phone {
	seen := g.o.Phones.Seen(p.Serial)
	c := client.Phone{Name: p.Name, Serial: p.Serial, Made: p.Made, Until: p.Until, Revoked: p.Revoked, Seen: seen.At, Way: string(seen.Way)}
	switch now := g.o.Clock(); {
	case !p.Revoked.IsZero():
		c.State = "revoked"
	case !now.Before(p.Until):
		c.State = "expired"
	case now.Add(phoneEnding).After(p.Until):
		c.State = "ending"
	default:
		c.State = "good"
	}
	return c
}

// phonesNotice is what the owner should know of them; empty: nothing.
func (g *Gateway) phonesNotice(all []client.Phone) string {
	if g.o.Phones.Asked(remote.LAN) == phones.Required && g.o.Phones.Mode(remote.LAN) != phones.Required {
		return "The home’s network is to want a phone’s certificate, and no phone has a good one: until one has, it wants none."
	}
	for _, p := range all {
		if p.State == "ending" {
			return "The certificate of " + p.Name + " ends on " + p.Until.In(g.o.Home.TimeZone).Format("2 January") + ". Add the phone anew under another name before that."
		}
	}
	return ""
}

// newPhone makes a key and a certificate for a phone, and keeps them for it.
func (g *Gateway) newPhone(r *http.Request, name string) (client.NewPhone, error) {
	name = strings.TrimSpace(name)
	var v client.NewPhone
	if g.o.Phones == nil {
		return v, noPhones
	}
	if err := pki.PhoneName(name); err != nil {
		return v, &client.Error{Status: http.StatusUnprocessableEntity, Code: "bad_name", Message: err.Error()}
	}
	g.keys.Lock() // one at a time: it is much to do for a small processor
	defer g.keys.Unlock()
	key, err := pki.NewPhoneKey()
	if err != nil {
		return v, err
	}
	cert, made, err := g.manager.CertifyPhone(r.Context(), name, string(key.Request))
	if err != nil {
		return v, err
	}
	v.Phone, v.Password = made, parcelPassword()
	v.Phone.State = "good"
	parcels := map[pki.Form][]byte{}
	for _, f := range pki.Forms {
		if parcels[f], err = key.Parcel(f, []byte(cert), v.Password); err != nil {
			return v, errors.Join(err, g.manager.RevokePhone(r.Context(), name))
		}
	}
	by := context.WithoutCancel(r.Context())
	link := g.o.Handouts.give(name, parcels, g.o.Clock(), func() { // nobody has it: it is good for nothing
		ctx, cancel := context.WithTimeout(by, answerTime)
		defer cancel()
		if err := g.manager.RevokePhone(ctx, name); err != nil {
			g.log.Warn("a phone's certificate that nobody fetched stays", "phone", name, "err", err)
		}
	})
	if link == "" {
		return v, errors.Join(&client.Error{Status: http.StatusTooManyRequests, Code: "many", Message: "too many phones wait for their certificates", Hint: "fetch those first, or wait a quarter of an hour"},
			g.manager.RevokePhone(r.Context(), name))
	}
	v.Until = g.o.Clock().Add(handoutTime)
	v.Link = g.handoutOrigin(r) + "/phone/" + link
	return v, nil
}

// answerTime is how long the manager may take for an answer that nobody waits for.
const answerTime = 10 * time.Second

// handoutOrigin is where a phone fetches what is for it. On the home's network that
// is the plain address: the phone may not trust the other yet, and what it gets is
// encrypted.
func (g *Gateway) handoutOrigin(r *http.Request) string {
	if remote.Of(r.Context()).Way == remote.LAN {
		if to := g.origin(r, false); to != "" {
			return to
		}
	}
	scheme := "http://"
	if encrypted(r) {
		scheme = "https://"
	}
	return scheme + r.Host
}

// revokePhone revokes a phone's certificate and ends its connections.
func (g *Gateway) revokePhone(r *http.Request, name string) error {
	if g.o.Phones == nil {
		return noPhones
	}
	if g.o.Phones.Mode(remote.LAN) == phones.Required {
		all, err := g.o.Phones.Phones()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(p pki.Phone) bool { return p.Name != name && p.Good(g.o.Clock()) }) {
			return &client.Error{Status: http.StatusConflict, Code: "last", Message: "it is the last phone that can come in from the home’s network",
				Hint: "set the home’s network to “optional” first, or add another phone"}
		}
	}
	if err := g.manager.RevokePhone(r.Context(), name); err != nil {
		return err
	}
	g.o.Handouts.forget(name)
	g.drop(func(a remote.Arrival) bool {
		return a.Certificate == name && (a.Way == remote.LAN || a.Way == remote.Tailnet || a.Way == remote.Funnel)
	})
	return nil
}

// setPhonesMode changes what is asked at a way in.
func (g *Gateway) setPhonesMode(r *http.Request, way, mode string) error {
	switch {
	case g.o.Phones == nil:
		return noPhones
	case !slices.Contains(certified, remote.Way(way)):
		return &client.Error{Status: http.StatusUnprocessableEntity, Code: "bad_way", Message: "phones’ certificates are asked for on lan and funnel"}
	case !slices.Contains(phones.Modes, phones.Mode(mode)):
		return &client.Error{Status: http.StatusUnprocessableEntity, Code: "bad_mode", Message: "say off, optional or required"}
	case remote.Way(way) == remote.LAN && phones.Mode(mode) == phones.Required:
		if err := g.mayRequire(r); err != nil {
			return err
		}
	}
	return g.manager.SetConfig(r.Context(), modeKey+way, mode)
}

// modeKey begins the names of those settings in hems.yaml.
const modeKey = "gateway.client_certificates."

// mayRequire says whether the visitor could come in again where certificates are
// required: only who shows one now can.
func (g *Gateway) mayRequire(r *http.Request) error {
	if a := remote.Of(r.Context()); a.Certificate != "" && a.Way != remote.Cloudflare {
		return nil
	}
	return &client.Error{Status: http.StatusConflict, Code: "not_shown", Message: "this connection shows no certificate of a phone, so “required” could shut you out",
		Hint: "set it to “optional”, add this device as a phone, open the https address with its certificate, and choose “required” there"}
}

// setConfig is the manager's answer to a change of one setting, but for the one that
// could shut its visitor out.
func (g *Gateway) setConfig(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		g.refuseQuestion(w, err)
		return
	}
	var q struct {
		Path  string          `json:"path"`
		Value json.RawMessage `json:"value"`
	}
	const lan = modeKey + string(remote.LAN)
	if json.Unmarshal(b, &q) == nil && (q.Path == lan || strings.HasPrefix(lan, q.Path+".")) && bytes.Contains(q.Value, []byte(phones.Required)) {
		if err := g.mayRequire(r); err != nil {
			g.refuseQuestion(w, err)
			return
		}
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(b))
	r.ContentLength = int64(len(b))
	g.passOn(w, r)
}

// readQuestion reads the JSON of a program; false: it was refused.
func (g *Gateway) readQuestion(w http.ResponseWriter, r *http.Request, to any) bool {
	b, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		writeRefusal(w, http.StatusBadRequest, client.Error{Code: "bad_request", Message: "the question is not right JSON"})
	}
	return err == nil
}

// The API.

func (g *Gateway) apiPhones(w http.ResponseWriter, r *http.Request) {
	v, err := g.allPhones()
	if err != nil {
		g.refuseQuestion(w, err)
		return
	}
	writeJSON(w, r, v)
}

func (g *Gateway) apiAddPhone(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Name string `json:"name"`
	}
	if !g.readQuestion(w, r, &q) {
		return
	}
	v, err := g.newPhone(r, q.Name)
	if err != nil {
		g.refuseQuestion(w, err)
		return
	}
	writeJSON(w, r, v)
}

func (g *Gateway) apiRevokePhone(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Name string `json:"name"`
	}
	if !g.readQuestion(w, r, &q) {
		return
	}
	if err := g.revokePhone(r, q.Name); err != nil {
		g.refuseQuestion(w, err)
		return
	}
	writeJSON(w, r, struct{}{})
}

func (g *Gateway) apiPhonesMode(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Way  string `json:"way"`
		Mode string `json:"mode"`
	}
	if !g.readQuestion(w, r, &q) {
		return
	}
	if err := g.setPhonesMode(r, q.Way, q.Mode); err != nil {
		g.refuseQuestion(w, err)
		return
	}
	writeJSON(w, r, struct{}{})
}

// The pages.

// phonesBody is the page about phones.
type phonesBody struct {
	Problem *problem
	Phones  []phoneRow
	Gone    []phoneRow // expired or revoked
	Notice  string
	Modes   []modeRow
	New     *newPhoneBody
	Name    string // that was typed
	Shown   string // the phone whose certificate this visitor shows
}

type phoneRow struct {
	Name, Until, Seen, State string
	Ending                   bool
}

type modeRow struct {
	Way, Title string
	Mode       string
	CanRequire bool
}

// newPhoneBody is what is said once.
type newPhoneBody struct {
	Name, Link, Password, Until string
	Code                        template.HTML
}

func (g *Gateway) phonesBody(r *http.Request) phonesBody {
	b := phonesBody{Shown: remote.Of(r.Context()).Certificate}
	v, err := g.allPhones()
	if err != nil {
		_, b.Problem = g.problem(err)
		return b
	}
	b.Notice = v.Notice
	for _, p := range v.Phones {
		row := phoneRow{Name: p.Name, Until: p.Until.In(g.o.Home.TimeZone).Format("2 January 2006"), Seen: "never seen", State: p.State, Ending: p.State == "ending"}
		if !p.Seen.IsZero() {
			row.Seen = "seen " + g.when(p.Seen) + ", " + wayPlace[remote.Way(p.Way)]
		}
		if p.State == "good" || p.State == "ending" {
			b.Phones = append(b.Phones, row)
			continue
		}
		if p.State == "revoked" {
			row.Until = g.when(p.Revoked)
		}
		b.Gone = append(b.Gone, row)
	}
	for _, w := range certified {
		b.Modes = append(b.Modes, modeRow{Way: string(w), Title: wayTitles[w], Mode: v.Modes[string(w)], CanRequire: w != remote.LAN || g.mayRequire(r) == nil})
	}
	return b
}

// wayPlace says where a phone was seen.
var wayPlace = map[remote.Way]string{remote.LAN: "at home", remote.Tailnet: "on the tailnet", remote.Funnel: "through Funnel", remote.Cloudflare: "through Cloudflare"}

func (g *Gateway) showPhones(w http.ResponseWriter, r *http.Request, status int, b phonesBody) {
	g.show(w, r, status, "phones.html", g.page(r, "phones", "Phones", b))
}

func (g *Gateway) phonesPage(w http.ResponseWriter, r *http.Request) {
	g.showPhones(w, r, http.StatusOK, g.phonesBody(r))
}

// addPhone answers with the link and the password: they are nowhere else.
func (g *Gateway) addPhone(w http.ResponseWriter, r *http.Request) {
	name := r.PostFormValue("name")
	v, err := g.newPhone(r, name)
	b := g.phonesBody(r)
	if err != nil {
		var status int
		status, b.Problem = g.problem(err)
		b.Name = name
		g.showPhones(w, r, status, b)
		return
	}
	b.New = &newPhoneBody{Name: v.Phone.Name, Link: v.Link, Password: v.Password, Until: v.Until.In(g.o.Home.TimeZone).Format("15:04")}
	if b.New.Code, err = qrSVG(v.Link); err != nil {
		g.log.Error("drawing a code", "err", err)
	}
	g.showPhones(w, r, http.StatusOK, b)
}

func (g *Gateway) dropPhone(w http.ResponseWriter, r *http.Request) {
	g.afterPhones(w, r, g.revokePhone(r, r.PostFormValue("name")))
}

func (g *Gateway) askPhones(w http.ResponseWriter, r *http.Request) {
	g.afterPhones(w, r, g.setPhonesMode(r, r.PostFormValue("way"), r.PostFormValue("mode")))
}

func (g *Gateway) afterPhones(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		b := g.phonesBody(r)
		var status int
		status, b.Problem = g.problem(err)
		g.showPhones(w, r, status, b)
		return
	}
	http.Redirect(w, r, "/phones", http.StatusSeeOther)
}

// handoutBody is what a phone gets for its link.
type handoutBody struct {
	Name            string
	Android, Modern bool // can still be fetched
	Link            string
	Dashboard       string
}

func (g *Gateway) handoutPage(w http.ResponseWriter, r *http.Request) {
	name, forms, ok := g.o.Handouts.look(r.PathValue("link"), g.o.Clock())
	if !ok {
		g.turnAway(w, r, forSignedIn)
		return
	}
	private(w)
	g.show(w, r, http.StatusOK, "phone.html", g.page(r, "", "A certificate for "+name, handoutBody{
		Name: name, Android: slices.Contains(forms, pki.Android), Modern: slices.Contains(forms, pki.Modern), Link: "/phone/" + r.PathValue("link"),
		Dashboard: g.origin(r, true),
	}))
}

// takeHandout gives a parcel, once for each form. It is a POST: a browser that
// looks ahead must not use it up.
func (g *Gateway) takeHandout(w http.ResponseWriter, r *http.Request) {
	private(w)
	link := r.PathValue("link")
	if _, _, ok := g.o.Handouts.look(link, g.o.Clock()); !ok {
		g.turnAway(w, r, forSignedIn)
		return
	}
	name, parcel, ok := g.o.Handouts.take(link, pki.Form(r.PostFormValue("form")), g.o.Clock())
	if !ok {
		http.Redirect(w, r, "/phone/"+link, http.StatusSeeOther)
		return
	}
	g.log.Info("a phone's certificate was fetched", "phone", name, "form", r.PostFormValue("form"), "address", address(r))
	w.Header().Set("Content-Type", "application/x-pkcs12")
	w.Header().Set("Content-Disposition", `attachment; filename="hems-phone.p12"; filename*=UTF-8''`+url.PathEscape("hems-"+strings.ReplaceAll(name, " ", "-")+".p12"))
	_, _ = w.Write(parcel) // the visitor has gone
}
