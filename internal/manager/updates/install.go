package updates

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/smartcore-ireland/hems/internal/update/bootpart"
	"github.com/smartcore-ireland/hems/internal/update/bundle"
	"github.com/smartcore-ireland/hems/internal/update/refusal"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

// reserve is what an update leaves free on the card, in bytes.
const reserve = 64 << 20

// Receive takes a bundle of size bytes (-1: unknown) from r, keeps it until it is
// whole, and verifies it. When it returns nil the update goes on by itself: it is
// written, and the machine restarts. older lets a version in that is older than
// the one that runs. The error is a refusal.Refusal where the bundle or the moment
// is not right.
func (m *Machine) Receive(ctx context.Context, r io.Reader, size int64, older bool) error {
	return m.receive(ctx, r, size, older, true)
}

// receive: told is whether who sent it learns of a refusal by the answer.
func (m *Machine) receive(ctx context.Context, r io.Reader, size int64, older, told bool) error {
	if err := m.enter(Receiving); err != nil {
		return err
	}
	policy := m.o.Policy
	policy.AllowOlder = older
	file, b, err := m.verified(ctx, r, size, policy)
	if err != nil {
		if refusal.Of(err) != nil {
			m.mu.Lock()
			version := m.version
			m.mu.Unlock()
			m.judged(Refused, version, err, told)
		}
		m.leave()
		return err
	}
	go func() {
		defer m.leaveUnlessEnded()
		defer os.Remove(file.Name())
		defer file.Close()
		m.write(context.WithoutCancel(ctx), b)
	}()
	return nil
}

func (m *Machine) leaveUnlessEnded() {
	m.mu.Lock()
	ended := m.ended
	m.mu.Unlock()
	if !ended {
		m.leave()
	}
}

// verified brings a bundle into a file of the staging directory and verifies it
// there. Nothing is left behind an error.
func (m *Machine) verified(ctx context.Context, r io.Reader, size int64, p bundle.Policy) (_ *os.File, _ *bundle.Bundle, err error) {
	limit := p.MaxSize
	if limit == 0 {
		limit = bundle.DefaultMaxSize
	}
	if size > limit {
		return nil, nil, bundle.ErrTooLarge.With("%d MiB, at most %d MiB are taken", size>>20, limit>>20)
	}
	room, err := m.room(size)
	if err != nil {
		return nil, nil, err
	}
	file, err := os.OpenFile(filepath.Join(m.staging(), "update"+bundle.Extension), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("keeping the update until it is whole: %w", err)
	}
	defer func() {
		if err != nil {
			file.Close()
			os.Remove(file.Name())
		}
	}()
	to := &keeping{file: file, room: room, limit: limit, told: func(n int64) { m.at(Receiving, n, size) }}
	from := io.TeeReader(contextual{ctx, r}, to)
	manifest, err := bundle.Peek(from, p) // what would be refused need not come whole
	if to.err != nil {
		err = to.err
	}
	if err != nil {
		return nil, nil, err
	}
	m.mu.Lock()
	m.version = manifest.Version
	m.mu.Unlock()
	if _, err := io.Copy(io.Discard, from); err != nil {
		if to.err != nil {
			err = to.err
		} else if !errors.Is(err, bundle.ErrTooLarge) {
			err = bundle.ErrCutShort.With("%w", err)
		}
		return nil, nil, err
	}
	p.Progress = func(done, total int64) { m.at(Verifying, done, total) }
	b, err := bundle.Open(file, to.n, p)
	if err != nil {
		return nil, nil, err
	}
	return file, b, nil
}

// room is how much may be kept; an error when size does not fit.
func (m *Machine) room(size int64) (int64, error) {
	free, err := m.o.Free()
	if err != nil {
		return 0, fmt.Errorf("looking for room for the update: %w", err)
	}
	room := free - reserve
	if room < max(size, 1) {
		return 0, ErrSpace.With("%d MB are free, the update has %d MB and %d MB must stay free", free/1e6, max(size, 0)/1e6, int64(reserve)/1e6)
	}
	return room, nil
}

// keeping writes what comes into a file, within limits.
type keeping struct {
	file        *os.File
	n           int64
	room, limit int64
	told        func(n int64)
	err         error
}

func (k *keeping) Write(p []byte) (int, error) {
	if k.err == nil {
		switch n := k.n + int64(len(p)); {
		case n > k.limit:
			k.err = bundle.ErrTooLarge.With("more than %d MiB", k.limit>>20)
		case n > k.room:
			k.err = ErrSpace.With("%d MB came, and more", k.n/1e6)
		}
	}
	if k.err != nil {
		return 0, k.err
	}
	n, err := k.file.Write(p)
	k.n += int64(n)
	if err != nil {
		k.err = fmt.Errorf("keeping the update until it is whole: %w", err)
		return n, k.err
	}
	k.told(k.n)
	return n, nil
}

// contextual reads until a context ends.
type contextual struct {
	ctx context.Context
	r   io.Reader
}

func (c contextual) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// write puts a verified bundle into the other slot and restarts into it.
func (m *Machine) write(ctx context.Context, b *bundle.Bundle) {
	content, err := contentOf(b)
	version := b.Manifest().Version
	var s story
	if err == nil {
		content.PartUUID = m.o.PartUUID
		s, err = m.stage(ctx, content)
	}
	if err == nil {
		err = m.restart(ctx, s)
	}
	if err != nil {
		m.o.Log.Error("an update was not installed", "version", version, "err", err)
		m.judged(Failed, version, err, false)
	}
}

// contentOf reads the boot files of a bundle into memory; the root is read as it
// is written.
func contentOf(b *bundle.Bundle) (slot.Content, error) {
	c := slot.Content{Version: b.Manifest().Version, Root: b.Root().Open(), RootSize: b.Root().Size}
	for _, f := range b.Boot() {
		data, err := io.ReadAll(f.Open())
		if err != nil {
			return slot.Content{}, fmt.Errorf("reading %s of the update: %w", f.Name, err)
		}
		c.Boot = append(c.Boot, bootpart.File{Name: f.Name, Data: data})
	}
	return c, nil
}

// stage writes a system into the other slot, reads it back and arms it. The
// story it returns is what is to be written before the restart.
func (m *Machine) stage(ctx context.Context, c slot.Content) (story, error) {
	to, err := m.o.Card.Target()
	if err != nil {
		return story{}, ErrWrite.With("%w", err)
	}
	m.mu.Lock()
	m.version = c.Version
	m.story = story{Writing: true, Version: c.Version, GivenUp: m.story.GivenUp}
	err = m.save()
	m.mu.Unlock()
	if err != nil {
		return story{}, ErrWrite.With("%w", err)
	}
	m.at(Writing, 0, 1)
	if err := m.o.Card.Stage(ctx, to, c, func(done, total int64) { m.at(Writing, done, total) }); err != nil {
		return story{}, ErrWrite.With("%w", err)
	}
	if err := m.o.Card.Arm(ctx, to); err != nil {
		return story{}, ErrWrite.With("%w", err)
	}
	return story{Trying: true, Version: c.Version, From: m.o.Version, Slot: to, Expect: m.o.House().expect(time.Now())}, nil
}

// Rollback goes back to the version in the other slot, as a trial. When it
// returns nil that goes on by itself.
func (m *Machine) Rollback(ctx context.Context) error {
	if err := m.enter(Verifying); err != nil {
		if errors.Is(err, ErrCard) {
			err = ErrOther
		}
		return err
	}
	s, err := m.slots()
	if err == nil && !s.Other.Whole {
		err = ErrOther
	}
	if err != nil {
		m.leave()
		return err
	}
	other := s.Other
	m.mu.Lock()
	m.version = other.Version
	m.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	go func() {
		defer m.leaveUnlessEnded()
		err := m.o.Card.Arm(ctx, other.Slot) // it reads all of the slot
		if err == nil {
			err = m.restart(ctx, story{Trying: true, Version: other.Version, From: m.o.Version, Slot: other.Slot, Expect: m.o.House().expect(time.Now())})
		}
		if err != nil {
			m.o.Log.Error("the version before was not started", "version", other.Version, "err", err)
			m.judged(Failed, other.Version, err, false)
		}
	}()
	return nil
}
