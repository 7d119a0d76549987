package manager

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/broker/roster"
	"github.com/smartcore-ireland/hems/internal/pki"
	"github.com/smartcore-ireland/hems/internal/reply"
)

// maxRoster bounds what is sent of users, in bytes.
const maxRoster = 4 << 20

// mqttUsers answers for the users of MQTT. The broker, which reads the same files,
// notices each change within a second.
type mqttUsers struct {
	env       appliance.Env
	roster    *roster.Roster
	authority *pki.Authority // nil: it could not be had
}

func newMQTTUsers(env appliance.Env, authority *pki.Authority) *mqttUsers {
	return &mqttUsers{env, &roster.Roster{
		Passwords: env.MQTTPasswords(), List: env.MQTTAccess(), Own: appliance.Users(), Write: env.WriteMQTT,
	}, authority}
}

func (m *mqttUsers) handlers() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /v1/mqtt/users":         http.HandlerFunc(m.list),
		"POST /v1/mqtt/users":        http.HandlerFunc(m.set),
		"POST /v1/mqtt/users/remove": http.HandlerFunc(m.remove),
		"POST /v1/mqtt/import":       http.HandlerFunc(m.importUsers),

		"POST /v1/mqtt/users/certificate": http.HandlerFunc(m.certify),
	}
}

func (m *mqttUsers) list(w http.ResponseWriter, _ *http.Request) {
	users, err := m.roster.Users()
	if err != nil {
		m.refuse(w, err)
		return
	}
	reply.JSON(w, http.StatusOK, users)
}

func (m *mqttUsers) set(w http.ResponseWriter, r *http.Request) {
	var c roster.Change
	if !m.read(w, r, &c) {
		return
	}
	m.end(w, r, "an MQTT user was set", c.Name, m.roster.Set(c))
}

func (m *mqttUsers) remove(w http.ResponseWriter, r *http.Request) {
	var c struct {
		Name string `json:"name"`
	}
	if !m.read(w, r, &c) {
		return
	}
	err := m.roster.Remove(c.Name)
	if err == nil && m.authority != nil { // what it can do with a certificate ends too
		_, err = m.authority.RevokeClients(c.Name)
	}
	m.end(w, r, "an MQTT user was removed", c.Name, err)
}

// certify makes a client certificate for a user, with the key of a request.
func (m *mqttUsers) certify(w http.ResponseWriter, r *http.Request) {
	var c struct {
		Name    string `json:"name"`
		Request string `json:"request"` // PKCS #10 in PEM
	}
	if !m.read(w, r, &c) {
		return
	}
	users, err := m.roster.Users()
	if err != nil {
		m.refuse(w, err)
		return
	}
	switch {
	case m.authority == nil:
		reply.Refuse(w, http.StatusServiceUnavailable, reply.Refusal{Code: "no_authority",
			Error: "the appliance has no certificate authority", Hint: "look at the last lines of hems-manager in the logs"})
		return
	case !slices.ContainsFunc(users.Users, func(u roster.User) bool { return u.Name == c.Name }):
		m.refuse(w, &roster.Refusal{Code: "unknown", Text: fmt.Sprintf("there is no user %.40q", c.Name), Hint: "add it first: hems mqtt user add"})
		return
	}
	cert, err := m.authority.IssueClient(c.Name, []byte(c.Request))
	if errors.Is(err, pki.ErrRequest) {
		m.refuse(w, &roster.Refusal{Code: "bad_request", Text: err.Error()})
		return
	}
	if err != nil {
		m.refuse(w, err)
		return
	}
	m.env.Log.Info("a client certificate was made", "user", c.Name, "by", r.Header.Get("Hems-By"))
	reply.JSON(w, http.StatusOK, map[string]string{"certificate": string(cert), "authority": string(m.authority.CA())})
}

func (m *mqttUsers) importUsers(w http.ResponseWriter, r *http.Request) {
	var c struct {
		Passwords string `json:"passwords"`
		List      string `json:"list"`
		Replace   bool   `json:"replace"`
	}
	if !m.read(w, r, &c) {
		return
	}
	m.end(w, r, "MQTT users were imported", "", m.roster.Import([]byte(c.Passwords), []byte(c.List), c.Replace))
}

func (m *mqttUsers) read(w http.ResponseWriter, r *http.Request, to any) bool {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRoster))
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		reply.Refuse(w, http.StatusBadRequest, reply.Refusal{Code: "bad_request", Error: "the question is not right JSON: " + err.Error()})
		return false
	}
	return true
}

func (m *mqttUsers) end(w http.ResponseWriter, r *http.Request, done, name string, err error) {
	if err != nil {
		m.refuse(w, err)
		return
	}
	m.env.Log.Info(done, "user", name, "by", r.Header.Get("Hems-By"))
	reply.JSON(w, http.StatusOK, struct{}{})
}

func (m *mqttUsers) refuse(w http.ResponseWriter, err error) {
	if no, ok := errors.AsType[*roster.Refusal](err); ok {
		status := http.StatusUnprocessableEntity
		if no.Code == "unknown" {
			status = http.StatusNotFound
		}
		reply.Refuse(w, status, reply.Refusal{Code: no.Code, Error: no.Text, Hint: no.Hint})
		return
	}
	m.env.Log.Error("the users of MQTT cannot be changed", "err", err)
	reply.Refuse(w, http.StatusInternalServerError, reply.Refusal{Code: "not_written", Error: fmt.Sprintf("the users cannot be changed: %v", err), Hint: "look at the card's health"})
}
