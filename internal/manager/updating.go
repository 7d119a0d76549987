package manager

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/boot/report"
	"github.com/smartcore-ireland/hems/internal/manager/board"
	"github.com/smartcore-ireland/hems/internal/manager/updates"
	"github.com/smartcore-ireland/hems/internal/update/bundle"
	"github.com/smartcore-ireland/hems/internal/update/gokproto"
)

// trialLimit is in what time a trial must be confirmed where boot.json does not
// say.
const trialLimit = 300 * time.Second

// setUpUpdates decides what this start is. A card that cannot be asked leaves an
// appliance that cannot be updated, and says so.
func (m *Manager) setUpUpdates() {
	u := m.o.Updates
	limit := trialLimit
	if b, err := report.Read(m.o.Runtime); err == nil && b.TrialLimit > 0 {
		limit = time.Duration(b.TrialLimit) * time.Second
	}
	o := updates.Options{
		Dir: m.o.Dir, Runtime: m.o.Runtime, Card: u.Card, PartUUID: u.PartUUID, Version: m.o.Version,
		Policy: bundle.Policy{Board: u.Board}, Trust: u.Trust, TrialLimit: limit,
		Settings: func() updates.Settings {
			s := m.o.Settings()
			return updates.Settings{Developer: s.Developer, Feed: s.Feed, Automatic: s.Automatic, Zone: s.Zone}
		},
		House:  m.forUpdates,
		End:    m.End,
		Free:   func() (int64, error) { s, err := board.SpaceOf(m.o.Dir); return s.Free, err },
		Uptime: board.Uptime,
		Log:    m.log,
	}
	var err error
	if m.updates, err = updates.New(o); err != nil {
		m.log.Error("this card cannot be updated", "err", err)
		o.Card = nil
		if m.updates, err = updates.New(o); err != nil {
			m.log.Error("updates are not told about", "err", err)
		}
	}
}

// keepUpdates has what is due done, until ctx ends.
func (m *Manager) keepUpdates(ctx context.Context) {
	tick := time.NewTicker(m.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if m.now.Load() != nil {
			m.updates.Tick()
		}
	}
}

// forUpdates is how it is with the house, for updates.
func (m *Manager) forUpdates() updates.House {
	c := m.now.Load()
	if c == nil {
		return updates.House{Broken: []string{"nothing is known yet"}}
	}
	f := c.facts
	h := updates.House{Reading: f.reading}
	for _, l := range []look{f.broker, f.metrics, f.store, f.gateway} {
		if l.condition != well {
			h.Broken = append(h.Broken, l.report.Message)
		}
	}
	if f.zigbee.condition != well {
		h.Radio = f.zigbee.report.Message
	}
	for _, p := range f.programs {
		if !p.Held.IsZero() {
			h.Looping = append(h.Looping, called(p.Name))
		}
	}
	if n := c.root.Find("clock").First(); n != nil {
		h.Clock = n.Message
	}
	if n := c.root.Find("perm").First(); n != nil {
		h.Perm = n.Message
	}
	return h
}

// updateFacts is what the tree tells about updates.
func (m *Manager) updateFacts() updateFacts {
	v := m.updates.View()
	f := updateFacts{trial: m.updates.Trying(), probation: v.Phase == updates.Probation, cleared: m.updates.Cleared()}
	if slots, ok := m.updates.Slots(); ok {
		f.committed = string(slots.Committed)
	}
	if d := v.Verdict; d != nil && !d.Seen && d.Result != updates.Installed {
		f.failed = d.Result != updates.Refused
		what := map[updates.Result]string{
			updates.Returned: "version %s was tried and the one before runs again: %s",
			updates.Refused:  "version %s was refused: %s",
			updates.Failed:   "version %s was not installed: %s",
		}[d.Result]
		f.verdict = fmt.Sprintf(what, d.Version, d.Why)
	}
	return f
}

// serveGok answers gok's update protocol over TCP until ctx ends. A port that is
// taken is waited for.
func (m *Manager) serveGok(ctx context.Context) {
	u := m.o.Updates
	if u.Listen == "" || u.Card == nil {
		return
	}
	h, err := gokproto.New(gokproto.Options{
		Dir: filepath.Join(m.o.Dir, "gok"), MaxRoot: u.MaxRoot, Password: m.updatePassword, Allowed: m.updates.Allowed,
		BuildTimestamp: func(ctx context.Context) (string, error) {
			s, err := m.init.Status(ctx)
			return s.BuildTimestamp, err
		},
		Install: m.updates.InstallFiles, Restart: m.updates.RestartFiles, Log: m.log,
	})
	if err != nil {
		m.log.Error("gok update is not answered", "err", err)
		return
	}
	said := ""
	for ctx.Err() == nil {
		l, err := net.Listen("tcp", u.Listen)
		if err != nil {
			if err.Error() != said {
				said = err.Error()
				m.log.Error("gok update is not answered; trying again", "err", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		}
		s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
		stop := context.AfterFunc(ctx, func() { s.Close() })
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error("gok update is not answered; trying again", "err", err)
		}
		stop()
	}
}

// updatePassword is the password of the update port, empty until the appliance
// is claimed.
func (m *Manager) updatePassword() (string, error) {
	b, err := os.ReadFile(m.o.Updates.Password)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// makeUpdatePassword makes it, once.
func (m *Manager) makeUpdatePassword() error {
	path := m.o.Updates.Password
	err := os.MkdirAll(filepath.Dir(path), 0o710)
	if err == nil {
		err = atomicfile.Create(path, []byte(rand.Text()+"\n"), 0o600)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making the password for updates: %w", err)
	}
	return nil
}
