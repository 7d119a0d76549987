package manager

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/pki"
	"github.com/smartcore-ireland/hems/internal/reply"
)

// maxPhoneQuestion bounds a question about a phone, in bytes.
const maxPhoneQuestion = 64 << 10

// phones answers the gateway for the certificates of people's phones. Their keys
// are never here.
type phones struct {
	env       appliance.Env
	authority *pki.Authority // nil: it could not be had
}

func (p *phones) handlers() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /v1/phones":         http.HandlerFunc(p.list),
		"POST /v1/phones":        http.HandlerFunc(p.add),
		"POST /v1/phones/revoke": http.HandlerFunc(p.revoke),
	}
}

// there answers for an authority that is not.
func (p *phones) there(w http.ResponseWriter) bool {
	if p.authority == nil {
		reply.Refuse(w, http.StatusServiceUnavailable, reply.Refusal{Code: "no_authority",
			Error: "the appliance has no certificate authority", Hint: "look at the last lines of hems-manager in the logs"})
	}
	return p.authority != nil
}

func (p *phones) list(w http.ResponseWriter, _ *http.Request) {
	if !p.there(w) {
		return
	}
	all, err := p.authority.Phones()
	if err != nil {
		p.refuse(w, err)
		return
	}
	if all == nil {
		all = []pki.Phone{}
	}
	reply.JSON(w, http.StatusOK, map[string]any{"phones": all})
}

func (p *phones) add(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Name    string `json:"name"`
		Request string `json:"request"` // PKCS #10 in PEM
	}
	if !p.there(w) || !p.read(w, r, &q) {
		return
	}
	cert, made, err := p.authority.IssuePhone(q.Name, []byte(q.Request))
	if err != nil {
		p.refuse(w, err)
		return
	}
	p.env.Log.Info("a phone was given a certificate", "phone", made, "until", made.Until, "by", r.Header.Get("Hems-By"))
	reply.JSON(w, http.StatusOK, map[string]any{"certificate": string(cert), "phone": made})
}

func (p *phones) revoke(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Name string `json:"name"`
	}
	if !p.there(w) || !p.read(w, r, &q) {
		return
	}
	if err := p.authority.RevokePhone(q.Name); err != nil {
		p.refuse(w, err)
		return
	}
	p.env.Log.Info("a phone's certificate was revoked", "phone", q.Name, "by", r.Header.Get("Hems-By"))
	reply.JSON(w, http.StatusOK, struct{}{})
}

func (p *phones) read(w http.ResponseWriter, r *http.Request, to any) bool {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPhoneQuestion))
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		reply.Refuse(w, http.StatusBadRequest, reply.Refusal{Code: "bad_request", Error: "the question is not right JSON: " + err.Error()})
		return false
	}
	return true
}

func (p *phones) refuse(w http.ResponseWriter, err error) {
	no := reply.Refusal{Error: err.Error()}
	status := http.StatusUnprocessableEntity
	switch {
	case errors.Is(err, pki.ErrPhoneName):
		no.Code = "bad_name"
	case errors.Is(err, pki.ErrPhoneUsed):
		no.Code, no.Hint, status = "used", "choose another name, or revoke that one first", http.StatusConflict
	case errors.Is(err, pki.ErrPhones):
		no.Code, status = "full", http.StatusConflict
	case errors.Is(err, pki.ErrRequest):
		no.Code = "bad_request"
	case errors.Is(err, pki.ErrNoPhone):
		no.Code, status = "unknown", http.StatusNotFound
	default:
		p.env.Log.Error("phones’ certificates", "err", err)
		no.Code, no.Hint, status = "not_written", "look at the card's health", http.StatusInternalServerError
	}
	reply.Refuse(w, status, no)
}
