// Package api is hems.yaml over HTTP: reading it, changing it, and what it said
// before. It knows requests and answers and must never know what a key means.
package api

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/smartcore-ireland/hems/internal/hemsyaml"
	"github.com/smartcore-ireland/hems/internal/reply"
)

// ByHeader is who asks, for people, in a request; only the appliance's own
// processes can set it.
const ByHeader = "Hems-By"

// unnamed is who changed hems.yaml when the request does not say.
const unnamed = "a page or a program"

// maxChanges bounds what one request may set at once.
const maxChanges = 64

// Handlers are the interface to f, by the patterns of http.ServeMux. changed is
// called after each change; nil: it is not.
func Handlers(f *hemsyaml.File, log *slog.Logger, changed func()) map[string]http.Handler {
	if changed == nil {
		changed = func() {}
	}
	a := &api{f: f, log: log, changed: changed}
	return map[string]http.Handler{
		"GET /v1/config":          http.HandlerFunc(a.get),
		"PUT /v1/config":          http.HandlerFunc(a.put),
		"POST /v1/config/set":     http.HandlerFunc(a.set),
		"POST /v1/config/restore": http.HandlerFunc(a.restore),
	}
}

type api struct {
	f       *hemsyaml.File
	log     *slog.Logger
	changed func()
}

func (a *api) get(w http.ResponseWriter, _ *http.Request) {
	s, err := a.f.Read()
	if err != nil {
		a.refuse(w, err)
		return
	}
	w.Header().Set("ETag", `"`+s.ETag+`"`)
	reply.JSON(w, http.StatusOK, s)
}

// put takes the whole text, as it is or as {"text"}; with If-Match only while
// the file is the one of that ETag.
func (a *api) put(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 6*hemsyaml.MaxText+4096))
	if err != nil {
		a.refuse(w, tooLarge(err))
		return
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		var ask struct {
			Text *string `json:"text"`
		}
		if err := json.Unmarshal(body, &ask); err != nil || ask.Text == nil {
			refuseForm(w, `the request is not of the form {"text":"…"}`)
			return
		}
		body = []byte(*ask.Text)
	}
	seen := strings.Trim(strings.TrimPrefix(r.Header.Get("If-Match"), "W/"), `"`)
	if seen == "*" {
		seen = ""
	}
	a.answer(w, r, a.f.Replace(body, by(r), seen))
}

// set takes {"path","value"}, or several of them as {"changes"}.
func (a *api) set(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Path    string            `json:"path"`
		Value   json.RawMessage   `json:"value"`
		Changes []json.RawMessage `json:"changes"`
	}
	if err := strict(w, r, &ask); err != nil {
		a.refuseAsk(w, err, `the request is not of the form {"path":"…","value":…}`)
		return
	}
	var changes []hemsyaml.Change
	if ask.Path != "" && ask.Value != nil && ask.Changes == nil {
		c, err := change(ask.Path, ask.Value)
		if err != nil {
			refuseForm(w, "the value is not JSON")
			return
		}
		changes = append(changes, c)
	}
	for _, raw := range ask.Changes {
		var one struct {
			Path  string          `json:"path"`
			Value json.RawMessage `json:"value"`
		}
		err := json.Unmarshal(raw, &one)
		if err == nil && one.Value == nil {
			err = errors.New("no value")
		}
		var c hemsyaml.Change
		if err == nil {
			c, err = change(one.Path, one.Value)
		}
		if err != nil {
			refuseForm(w, `the request is not of the form {"changes":[{"path":"…","value":…}]}`)
			return
		}
		changes = append(changes, c)
	}
	if len(changes) == 0 || len(changes) > maxChanges {
		refuseForm(w, `the request is not of the form {"path":"…","value":…}`)
		return
	}
	a.answer(w, r, a.f.Set(by(r), changes...))
}

// change keeps numbers as they are written.
func change(path string, raw json.RawMessage) (hemsyaml.Change, error) {
	c := hemsyaml.Change{Path: path}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	return c, d.Decode(&c.Value)
}

func (a *api) restore(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		ID string `json:"id"`
	}
	if err := strict(w, r, &ask); err != nil {
		a.refuseAsk(w, err, `the request is not of the form {"id":"…"}`)
		return
	}
	a.answer(w, r, a.f.Restore(ask.ID, by(r)))
}

func by(r *http.Request) string {
	if s := r.Header.Get(ByHeader); s != "" {
		return s
	}
	return unnamed
}

// answer ends a change: with the file as it is now, or with why not.
func (a *api) answer(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		a.refuse(w, err)
		return
	}
	a.log.Info("hems.yaml was changed", "by", by(r), "how", r.Method+" "+r.URL.Path)
	a.changed()
	a.get(w, r)
}

// strict reads a request's JSON body.
func strict(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	d.DisallowUnknownFields()
	return tooLarge(d.Decode(v))
}

func tooLarge(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return hemsyaml.ErrLarge
	}
	return err
}

func (a *api) refuseAsk(w http.ResponseWriter, err error, form string) {
	if errors.Is(err, hemsyaml.ErrLarge) {
		a.refuse(w, err)
		return
	}
	refuseForm(w, form)
}

func refuseForm(w http.ResponseWriter, what string) {
	reply.Refuse(w, http.StatusBadRequest, reply.Refusal{Code: "bad_request", Error: what})
}

// refuse gives each reason its own code.
func (a *api) refuse(w http.ResponseWriter, err error) {
	if invalid, ok := errors.AsType[*hemsyaml.Invalid](err); ok {
		r := reply.Refusal{Code: "bad_config", Error: err.Error(), Hint: "nothing was changed; correct these lines and send it again"}
		for _, p := range invalid.Problems {
			r.Lines = append(r.Lines, reply.Line{Line: p.Line, Text: p.Text})
		}
		reply.Refuse(w, http.StatusUnprocessableEntity, r)
		return
	}
	for _, c := range []struct {
		is         error
		status     int
		code, hint string
	}{
		{hemsyaml.ErrPath, http.StatusUnprocessableEntity, "no_such_path", "give names with dots between them, such as home.name"},
		{hemsyaml.ErrLarge, http.StatusRequestEntityTooLarge, "too_large", ""},
		{hemsyaml.ErrChanged, http.StatusPreconditionFailed, "changed", "read it again and make the change to what it says now"},
		{hemsyaml.ErrUnknown, http.StatusNotFound, "no_such_version", "the last ten versions are kept"},
	} {
		if errors.Is(err, c.is) {
			reply.Refuse(w, c.status, reply.Refusal{Code: c.code, Error: err.Error(), Hint: c.hint})
			return
		}
	}
	a.log.Error("hems.yaml was not read or changed", "err", err)
	reply.Refuse(w, http.StatusInternalServerError, reply.Refusal{Code: "config_failed", Error: err.Error()})
}
