// Package clienttest is a manager for tests of those who ask one: a real HTTP
// server on a real unix socket that answers as the manager's interface says, and
// does nothing. It knows the form of the answers and must never know what the
// manager makes them of.
package clienttest

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
)

// A Manager answers on Socket until the test ends. Its fields may be changed
// under Lock.
type Manager struct {
	Socket string

	sync.Mutex
	Health  client.Health
	System  client.System
	Update  client.Update
	Next    []client.Update // what Update becomes, one step at each look
	Config  client.Config
	Log     string             // what Logs answers
	Follow  chan string        // lines that a follower is sent
	Refuse  map[string]refusal // by "POST /v1/update": the answer instead of the usual
	Asked   []string           // method and path with its query, in order
	Bodies  map[string][]byte  // the last body of each, by "POST /v1/update"
	Headers map[string]http.Header
	BackupN int // bytes of a backup
	// Imported is how the coordinator answers to an import; its ID is that of the
	// import.
	Imported client.ImportAnswer
	// Answers are a test's own, by "POST /v1/phones": of a body, a status and what
	// is answered as JSON.
	Answers map[string]func(body []byte) (int, any)
	MQTT    client.MQTTUsers

	t      *testing.T
	server *http.Server
}

type refusal struct {
	status int
	client.Error
}

// At is when everything that the manager tells of happened.
var At = time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)

// Start begins to answer, as a manager on a card that is well.
func Start(t *testing.T) *Manager {
	t.Helper()
	m := &Manager{
		Socket: filepath.Join(t.TempDir(), "manager.sock"), t: t,
		Refuse: map[string]refusal{}, Bodies: map[string][]byte{}, Headers: map[string]http.Header{},
		Follow: make(chan string), BackupN: 100_000, Log: "hems-broker: listening\nhems-gateway: the dashboard is at [::]:80\n",
		Update: client.Update{Phase: client.Idle},
		Config: client.Config{Text: "home:\n  name: Cois Farraige\nupdate:\n  feed: \"\"\n",
			History: []client.Change{{ID: "2", At: At.Add(-time.Hour), By: "owner", What: "home.name", Text: "home:\n  name: Home\n"}, {ID: "1", At: At.Add(-48 * time.Hour), Text: "# new\n"}}},
	}
	m.Well()
	if err := json.Unmarshal([]byte(`{"version":"1.1.0","built":"2026-11-20T10:00:00Z","board":"rpi","model":"Raspberry Pi 4 Model B Rev 1.4","kind":"card",
		"slot":"a","committed":"a","trial":false,"other":{"slot":"b","version":"1.0.0","whole":true},"host_name":"hems",
		"boot":{"slot":"a","committed":"a","trial":false,"boots":0,"returned":"","at":"2026-11-24T07:12:00Z"},
		"perm":{"state":"ok","total_bytes":31000000000,"free_bytes":29400000000},
		"clock":{"synchronised":true,"source":"0.pool.ntp.org","at":"2026-11-24T07:12:20Z"},"developer":false}`), &m.System); err != nil {
		t.Fatal(err)
	}
	m.Resume()
	t.Cleanup(m.Stop)
	return m
}

// Well makes the tree that of an appliance on which nothing is wrong.
func (m *Manager) Well() {
	m.Lock()
	defer m.Unlock()
	m.Health = client.Health{State: client.OK, At: At, Tree: client.Node{Name: "appliance", Title: "The appliance", State: client.OK, Children: []client.Node{
		{Name: "programs", Title: "Programs", State: client.OK, Children: []client.Node{
			{Name: "broker", Title: "Message broker", State: client.OK, Detail: "a probe came back in 1 ms"},
			{Name: "zigbee", Title: "Zigbee radio", State: client.OK},
			{Name: "metrics", Title: "Recorder", State: client.OK},
			{Name: "gateway", Title: "Dashboard", State: client.OK},
		}},
		{Name: "readings", Title: "Readings", State: client.OK, Detail: "the last one came 4 s ago"},
		{Name: "perm", Title: "Card", State: client.Note, Message: "a fault in the file system was repaired", Detail: "e2fsck: 1 orphaned inode"},
		{Name: "clock", Title: "Clock", State: client.OK, Detail: "0.pool.ntp.org"},
		{Name: "watchdog", Title: "Watchdog", State: client.OK},
	}}}
}

// Fails makes the card fail.
func (m *Manager) Fails() {
	m.Well()
	m.Lock()
	defer m.Unlock()
	card := &m.Health.Tree.Children[2]
	card.State, card.Message, card.Hint = client.Failing, "the card cannot be written", "readings are kept in memory until the appliance restarts; put a new card in soon"
	card.Detail = "mmcblk0p4: EXT4-fs error"
	m.Health.State, m.Health.Tree.State = client.Failing, client.Failing
	m.Health.First = &client.Node{Name: card.Name, Title: card.Title, State: card.State, Message: card.Message, Hint: card.Hint, Detail: card.Detail}
}

// Set changes how an update goes.
func (m *Manager) Set(u client.Update) {
	m.Lock()
	defer m.Unlock()
	m.Update = u
}

// Refuses makes the manager refuse a question, such as "POST /v1/update".
func (m *Manager) Refuses(question string, status int, code, message, hint string) {
	m.Lock()
	defer m.Unlock()
	m.Refuse[question] = refusal{status, client.Error{Code: code, Message: message, Hint: hint}}
}

// Body is the last body of a question; nil when it was not asked.
func (m *Manager) Body(question string) []byte {
	m.Lock()
	defer m.Unlock()
	return m.Bodies[question]
}

// Questions are all so far.
func (m *Manager) Questions() []string {
	m.Lock()
	defer m.Unlock()
	return append([]string(nil), m.Asked...)
}

// Stop ends the server, as a restart of the appliance does.
func (m *Manager) Stop() {
	m.Lock()
	srv := m.server
	m.server = nil
	m.Unlock()
	if srv != nil {
		srv.Close()
	}
}

// Resume answers again.
func (m *Manager) Resume() {
	m.t.Helper()
	l, err := net.Listen("unix", m.Socket)
	if err != nil {
		m.t.Fatal(err)
	}
	srv := &http.Server{Handler: m}
	m.Lock()
	m.server = srv
	m.Unlock()
	go func() { _ = srv.Serve(l) }()
}

// ServeHTTP answers one question.
func (m *Manager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	question := r.Method + " " + r.URL.Path
	m.Lock()
	m.Asked = append(m.Asked, r.Method+" "+r.URL.RequestURI())
	m.Headers[question] = r.Header.Clone()
	refused, no := m.Refuse[question]
	m.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	m.Lock()
	defer m.Unlock()
	m.Bodies[question] = body
	if no {
		m.json(w, refused.status, refused.Error)
		return
	}
	if answer := m.Answers[question]; answer != nil {
		status, v := answer(body)
		m.json(w, status, v)
		return
	}
	switch question {
	case "GET /v1/health":
		m.json(w, 200, m.Health)
	case "GET /v1/system":
		m.json(w, 200, m.System)
	case "GET /v1/metrics":
		fmt.Fprintln(w, `hems_health{node="appliance"} 1`)
	case "GET /v1/update":
		if len(m.Next) > 0 {
			m.Update, m.Next = m.Next[0], m.Next[1:]
		}
		m.json(w, 200, m.Update)
	case "POST /v1/update/check", "POST /v1/update/install", "POST /v1/rollback":
		m.json(w, 200, m.Update)
	case "POST /v1/update":
		m.json(w, http.StatusAccepted, m.Update)
	case "POST /v1/update/seen":
		if v := m.Update.Verdict; v != nil {
			seen := *v
			seen.Seen = true
			m.Update.Verdict = &seen
		}
		m.json(w, 200, m.Update)
	case "GET /v1/update/password":
		m.json(w, 200, client.Password{User: "gokrazy", Password: "seven-quiet-herons"})
	case "POST /v1/backup":
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(append([]byte("age-encryption.org/v1\n"), make([]byte, m.BackupN)...))
	case "GET /v1/config":
		m.json(w, 200, m.Config)
	case "POST /v1/config/set":
		var set struct{ Path string }
		if json.Unmarshal(body, &set) == nil && set.Path == "update.developer" {
			m.System.Developer = string(body) == `{"path":"update.developer","value":true}`
		}
		m.json(w, 200, m.Config)
	case "PUT /v1/config", "POST /v1/config/restore", "POST /v1/claimed", "POST /v1/restart", "POST /v1/reboot", "POST /v1/restore":
		m.json(w, 200, struct{}{})
	case "GET /v1/logs":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, m.Log)
		if r.URL.Query().Get("follow") == "1" {
			m.Unlock()
			m.follow(w, r)
			m.Lock()
		}
	case "GET /v1/diagnostics":
		w.Header().Set("Content-Type", "application/zip")
		_, _ = io.WriteString(w, "PK\x03\x04")
	case "POST /v1/import":
		var d struct{ ID string }
		if json.Unmarshal(body, &d) != nil {
			m.t.Errorf("an import that is no JSON: %.100s", body)
		}
		m.Imported.ID = d.ID
		m.json(w, http.StatusAccepted, struct{}{})
	case "GET /v1/import":
		m.json(w, 200, client.Imported{Answer: &m.Imported})
	case "GET /v1/mqtt/users":
		m.json(w, 200, m.MQTT)
	case "POST /v1/mqtt/users/certificate":
		m.json(w, 200, client.MQTTCertificate{Certificate: "-----BEGIN CERTIFICATE-----\n", Authority: "-----BEGIN CERTIFICATE-----\n"})
	case "POST /v1/mqtt/users", "POST /v1/mqtt/users/remove", "POST /v1/mqtt/import":
		m.json(w, 200, struct{}{})
	case "GET /v1/ca":
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = io.WriteString(w, "-----BEGIN CERTIFICATE-----\n")
	default:
		m.json(w, http.StatusNotFound, client.Error{Code: "unknown", Message: "there is no such question"})
	}
}

func (m *Manager) follow(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	for {
		if rc.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case line := <-m.Follow:
			if _, err := io.WriteString(w, line+"\n"); err != nil {
				return
			}
		}
	}
}

func (m *Manager) json(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		m.t.Errorf("the manager's answer: %v", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Manager", "not for visitors")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
