package updates

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/smartcore-ireland/hems/internal/update/gokproto"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

// Allowed says why a system that nobody signed is not let in, nil when it is.
func (m *Machine) Allowed() error {
	if !m.o.Settings().Developer {
		return gokproto.ErrDeveloperOff
	}
	if m.o.Card == nil {
		return ErrCard
	}
	return nil
}

// InstallFiles writes what gok sent into the other slot and arms it: a boot file
// system and a root. It is tried at the next RestartFiles.
func (m *Machine) InstallFiles(ctx context.Context, boot, root string) error {
	if err := m.Allowed(); err != nil {
		return err
	}
	if err := m.enter(Verifying); err != nil {
		return err
	}
	defer m.leave()
	// Two systems of one second would not be told apart; gok takes longer.
	version := "dev-" + time.Now().UTC().Format("20060102-150405")
	s, err := m.installFiles(ctx, boot, root, version)
	if err != nil {
		m.judged(Failed, version, err, true)
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.story = story{GivenUp: m.story.GivenUp} // written, and not tried before gok says so
	if err := m.save(); err != nil {
		return err
	}
	m.armed = &s
	return nil
}

func (m *Machine) installFiles(ctx context.Context, boot, root, version string) (s story, err error) {
	b, err := os.Open(boot)
	if err != nil {
		return story{}, fmt.Errorf("reading what gok sent: %w", err)
	}
	defer b.Close()
	files, err := gokproto.Translate(b)
	if err != nil {
		return story{}, err
	}
	r, err := os.Open(root)
	if err != nil {
		return story{}, fmt.Errorf("reading what gok sent: %w", err)
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return story{}, fmt.Errorf("reading what gok sent: %w", err)
	}
	return m.stage(ctx, slot.Content{Boot: files, Root: r, RootSize: info.Size(), PartUUID: m.o.PartUUID, Version: version})
}

// RestartFiles restarts into what InstallFiles armed; without that it is an
// ordinary restart.
func (m *Machine) RestartFiles() error {
	m.mu.Lock()
	s := m.armed
	m.armed = nil
	ended := m.ended
	m.mu.Unlock()
	switch {
	case ended:
		return nil
	case s != nil:
		return m.restart(context.Background(), *s)
	case m.Trying():
		return ErrTrial
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
	m.o.End("", "gok asked for it")
	return nil
}
