package manager

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"

	"github.com/smartcore-ireland/hems/internal/manager/updates"
	"github.com/smartcore-ireland/hems/internal/reply"
	"github.com/smartcore-ireland/hems/internal/update/bundle"
	"github.com/smartcore-ireland/hems/internal/update/gokproto"
	"github.com/smartcore-ireland/hems/internal/update/refusal"
)

// updateRoutes are the routes about updates.
func (m *Manager) updateRoutes() map[string]func(http.ResponseWriter, *http.Request) error {
	return map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /v1/update":          m.getUpdate,
		"POST /v1/update":         m.postUpdate,
		"POST /v1/update/seen":    m.onCard(func(*http.Request) error { return m.updates.Seen() }),
		"POST /v1/update/check":   m.onCard(func(r *http.Request) error { return m.updates.Check(r.Context()) }),
		"POST /v1/update/install": m.onCard(func(*http.Request) error { return m.updates.InstallAvailable() }),
		"POST /v1/rollback":       m.onCard(func(r *http.Request) error { return m.updates.Rollback(r.Context()) }),
		"GET /v1/update/password": m.getUpdatePassword,
		"POST /v1/claimed":        m.postClaimed,
	}
}

// notHere is what a workstation is told.
const notHere = "it cannot be updated this way"

// onCard does something about updates and answers how they stand then.
func (m *Manager) onCard(do func(*http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !m.o.Card {
			return errDevelopment(notHere)
		}
		if err := do(r); err != nil {
			return m.refused(err)
		}
		return m.getUpdate(w, r)
	}
}

func (m *Manager) getUpdate(w http.ResponseWriter, _ *http.Request) error {
	reply.JSON(w, http.StatusOK, m.updates.View())
	return nil
}

func (m *Manager) postUpdate(w http.ResponseWriter, r *http.Request) error {
	if !m.o.Card {
		return errDevelopment(notHere)
	}
	if err := m.updates.Receive(r.Context(), r.Body, r.ContentLength, r.URL.Query().Get("older") == "1"); err != nil {
		return m.refused(err)
	}
	reply.JSON(w, http.StatusAccepted, m.updates.View())
	return nil
}

// refused is the answer to what updates do not do.
func (m *Manager) refused(err error) error {
	r := refusal.Of(err)
	if r == nil {
		return err
	}
	m.log.Warn("about updates", "refused", err)
	status := http.StatusUnprocessableEntity
	switch r {
	case updates.ErrBusy, updates.ErrTrial, updates.ErrCard, updates.ErrOther, updates.ErrNothing, updates.ErrNoFeed:
		status = http.StatusConflict
	case updates.ErrSpace:
		status = http.StatusInsufficientStorage
	case bundle.ErrTooLarge:
		status = http.StatusRequestEntityTooLarge
	case updates.ErrFeed:
		status = http.StatusBadGateway
	}
	return &problem{status, r.Code, err.Error(), r.Hint}
}

func (m *Manager) getUpdatePassword(w http.ResponseWriter, _ *http.Request) error {
	password, err := m.updatePassword()
	if err != nil {
		return err
	}
	if password == "" {
		return &problem{http.StatusConflict, "not_claimed", "there is no password for updates before the appliance has an owner", "set the appliance up on its page first"}
	}
	reply.JSON(w, http.StatusOK, struct {
		User     string `json:"user"`
		Password string `json:"password"`
	}{gokproto.User, password})
	return nil
}

// postClaimed makes what an owned appliance has, and forgets the code by which it
// was claimed: the gateway may read it and not remove it.
func (m *Manager) postClaimed(w http.ResponseWriter, _ *http.Request) error {
	if err := m.makeUpdatePassword(); err != nil {
		return err
	}
	if code := m.o.Updates.ClaimCode; code != "" {
		if err := os.Remove(code); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the code of the claim: %w", err)
		}
	}
	reply.JSON(w, http.StatusOK, struct{}{})
	return nil
}
