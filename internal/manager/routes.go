package manager

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/boot/report"
	"github.com/smartcore-ireland/hems/internal/manager/board"
	"github.com/smartcore-ireland/hems/internal/manager/journal"
	"github.com/smartcore-ireland/hems/internal/manager/services"
	"github.com/smartcore-ireland/hems/internal/manager/tree"
	"github.com/smartcore-ireland/hems/internal/manager/updates"
	"github.com/smartcore-ireland/hems/internal/reply"
)

// routes are the manager's own and those of Options.Handlers.
func (m *Manager) routes() http.Handler {
	mux := http.NewServeMux()
	routes := m.updateRoutes()
	maps.Copy(routes, map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /v1/health":   m.getHealth,
		"GET /v1/metrics":  m.getMetrics,
		"GET /v1/system":   m.getSystem,
		"GET /v1/logs":     m.getLogs,
		"POST /v1/restart": m.postRestart,
		"POST /v1/reboot":  m.postReboot,
	})
	for pattern, h := range routes {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				if p := (*problem)(nil); !errors.As(err, &p) {
					m.log.Error("a request failed", "request", pattern, "err", err)
				}
				fail(w, err)
			}
		})
	}
	for pattern, h := range m.o.Handlers {
		mux.Handle(pattern, h)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			fail(w, &problem{http.StatusNotFound, "not_found", fmt.Sprintf("the manager has no %s %s", r.Method, r.URL.Path), ""})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// errEarly is for the first moment.
var errEarly = &problem{http.StatusServiceUnavailable, "starting", "the manager has only just started", "ask again in a few seconds"}

func (m *Manager) getHealth(w http.ResponseWriter, _ *http.Request) error {
	c := m.now.Load()
	if c == nil {
		return errEarly
	}
	reply.JSON(w, http.StatusOK, tree.Tell(c.root, c.facts.now))
	return nil
}

// system is the answer to GET /v1/system.
type system struct {
	Version   string         `json:"version"`
	Built     time.Time      `json:"built,omitzero"`
	Board     string         `json:"board"`
	Model     string         `json:"model"`
	Kind      string         `json:"kind"` // "card" or "development"
	Slot      string         `json:"slot"`
	Committed string         `json:"committed"`
	Trial     bool           `json:"trial"`
	Other     *updates.Other `json:"other,omitempty"`
	HostName  string         `json:"host_name"`
	Boot      *report.Boot   `json:"boot,omitempty"`
	Perm      systemPerm     `json:"perm"`
	Clock     clock          `json:"clock"`
	Developer bool           `json:"developer"`
}

type systemPerm struct {
	State report.State `json:"state"`
	Total int64        `json:"total_bytes"`
	Free  int64        `json:"free_bytes"`
}

func (m *Manager) getSystem(w http.ResponseWriter, _ *http.Request) error {
	c := m.now.Load()
	if c == nil {
		return errEarly
	}
	f := c.facts
	s := system{
		Version: m.o.Version, Built: f.built, Board: m.o.Updates.Board, Model: board.Model(m.o.Root), Kind: "development",
		HostName:  board.HostName(),
		Perm:      systemPerm{report.OK, f.space.Total, f.space.Free},
		Clock:     f.clock,
		Developer: f.developer,
	}
	if f.card {
		s.Kind = "card"
	}
	if f.booted {
		s.Slot, s.Committed, s.Trial = f.boot.Slot, f.boot.Committed, m.updates.Trying()
		s.Boot, s.Perm.State = &f.boot, f.boot.Perm.State
	}
	if slots, ok := m.updates.Slots(); ok {
		s.Slot, s.Committed, s.Other = string(slots.Running), string(slots.Committed), &slots.Other
	}
	reply.JSON(w, http.StatusOK, s)
	return nil
}

// Bounds of GET /v1/logs.
const (
	defaultLines = 200
	maxLines     = 10000
)

func (m *Manager) getLogs(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	n := defaultLines
	if s := q.Get("lines"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < 1 || n > maxLines {
			return &problem{http.StatusBadRequest, "bad_request", fmt.Sprintf("lines is %.20q: give a number from 1 to %d", s, maxLines), ""}
		}
	}
	if !m.o.Card {
		return errDevelopment(`what the programs say is on the terminal of "hems run"`)
	}
	if m.journal == nil {
		return &problem{http.StatusServiceUnavailable, "no_logs", "the logs are not kept: their directory cannot be used", "look at the card's health"}
	}
	program := m.program(q.Get("process"))
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if q.Get("follow") != "1" {
		lines, err := m.journal.Tail(program, n)
		if err != nil {
			m.log.Warn("the logs cannot be read whole", "err", err)
		}
		for _, l := range lines {
			if _, err := fmt.Fprintln(w, l); err != nil {
				return nil // the asker has gone
			}
		}
		return nil
	}
	out := http.NewResponseController(w)
	if err := out.Flush(); err != nil {
		return nil
	}
	err := m.journal.Follow(r.Context(), program, n, func(l journal.Line) error {
		if _, err := fmt.Fprintln(w, l); err != nil {
			return err
		}
		return out.Flush()
	})
	if errors.Is(err, journal.ErrTooMany) {
		fmt.Fprintln(w, "error:", err)
	}
	return nil
}

// program is a program's whole name: "zigbee" is "hems-zigbee".
func (m *Manager) program(name string) string {
	if long := "hems-" + name; name != "" && (slices.Contains(m.o.Programs, long) || long == Self) {
		return long
	}
	return name
}

func (m *Manager) postRestart(w http.ResponseWriter, r *http.Request) error {
	var ask struct {
		Process string `json:"process"`
	}
	if err := asked(w, r, &ask); err != nil {
		return err
	}
	name := m.program(ask.Process)
	switch {
	case name == Self:
		reply.JSON(w, http.StatusAccepted, struct{}{})
		m.leave(errors.New("ending to be started again, as asked"))
		return nil
	case !slices.Contains(m.o.Programs, name):
		return &problem{http.StatusNotFound, "no_process", fmt.Sprintf("there is no program %.40q", ask.Process), "it is one of " + strings.Join(m.o.Programs, ", ")}
	case !m.o.Card:
		return errDevelopment("end the program, and \"hems run\" starts it again")
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	if err := m.watch.Restart(ctx, name); err != nil {
		m.log.Error("a program was not restarted", "err", err)
		if errors.Is(err, services.ErrUnknown) {
			return &problem{http.StatusNotFound, "no_process", name + " is not on this card", ""}
		}
		return &problem{http.StatusBadGateway, "not_restarted", err.Error(), "restart the appliance"}
	}
	reply.JSON(w, http.StatusOK, struct{}{})
	return nil
}

func (m *Manager) postReboot(w http.ResponseWriter, _ *http.Request) error {
	if !m.o.Card {
		return errDevelopment(`end "hems run" and start it again`)
	}
	reply.JSON(w, http.StatusAccepted, struct{}{})
	m.End("", "somebody asked for it")
	return nil
}
