// Package services watches the programs that init supervises: how often each
// ended, and which keeps ending and is held back for a while, because init
// would start it each second for ever. It knows when a program is stopped and
// started and must never know what it does.
package services

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/crashloop"
	"github.com/smartcore-ireland/hems/internal/manager/gokrazy"
)

// Init is what supervises: a *gokrazy.Client.
type Init interface {
	Services(ctx context.Context) ([]gokrazy.Service, error)
	// Stop has a program ended and not started again; it returns before it is gone.
	Stop(ctx context.Context, path string, kill bool) error
	// Start starts a program that was stopped.
	Start(ctx context.Context, path string) error
}

// Options is what is watched.
type Options struct {
	Init  Init
	Alive func(pid int) bool // whether a process is still there
	// Self is the name of the program that watches: it is never stopped.
	Self string
	// Keep are the names of the programs that must run: they are started again
	// also when they ended well, which init takes for their last word.
	Keep []string
	Log  *slog.Logger
}

const (
	every    = time.Second      // between two looks
	ending   = 20 * time.Second // between SIGTERM and SIGKILL
	dying    = 5 * time.Second  // after SIGKILL
	starting = 10 * time.Second // until what was started has a new process
	step     = 100 * time.Millisecond
)

// Program is what is known of one program.
type Program struct {
	Name     string
	Path     string
	Pid      int
	Since    time.Time // of the latest start
	Stopped  bool
	Restarts int       // since the watch began
	Looping  bool      // it keeps ending, or has until minutes ago
	Held     time.Time // until when it is held back; zero: it is not
}

// Watch follows the programs. Its methods may be called from any goroutine.
type Watch struct {
	o Options

	mu       sync.Mutex
	programs []*program // in init's order
	quiet    int        // callers of Restart and StopAll: nothing is put right meanwhile
	lastErr  error      // of the latest look
	looked   time.Time  // when a look last succeeded
}

type program struct {
	Program
	loop    crashloop.Loop
	asked   bool // a restart or stop that somebody asked for is under way
	missing bool // found stopped at the last look, and nobody asked for it
}

// New is a watch that has not looked yet.
func New(o Options) *Watch { return &Watch{o: o} }

// Run looks each second until ctx ends. What it holds back stays stopped when it
// returns; the next watch starts it.
func (w *Watch) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		w.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Programs is what is known of all.
func (w *Watch) Programs() []Program {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []Program
	for _, p := range w.programs {
		all = append(all, p.Program)
	}
	return all
}

// Looked is when init last answered, and what is wrong with it since.
func (w *Watch) Looked() (time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.looked, w.lastErr
}

// look compares what init says with what was known, and does what follows.
func (w *Watch) look(ctx context.Context) {
	list, err := w.o.Init.Services(ctx)
	if ctx.Err() != nil {
		return
	}
	now := time.Now()
	w.mu.Lock()
	if (err != nil) != (w.lastErr != nil) {
		if err != nil {
			w.o.Log.Warn("gokrazy does not say how the programs are", "err", err)
		} else {
			w.o.Log.Info("gokrazy says how the programs are again")
		}
	}
	w.lastErr = err
	if err != nil {
		w.mu.Unlock()
		return
	}
	w.looked = now
	var stop, start []string
	for _, s := range list {
		halt, go_ := w.judge(s, now)
		if halt {
			stop = append(stop, s.Path)
		}
		if go_ {
			start = append(start, s.Path)
		}
	}
	w.mu.Unlock()
	for _, path := range stop {
		if err := w.o.Init.Stop(ctx, path, true); err != nil {
			w.o.Log.Error("a program that keeps ending is not held back", "err", err)
		}
	}
	for _, path := range start {
		if err := w.o.Init.Start(ctx, path); err != nil {
			w.o.Log.Error("a program is not started again", "err", err)
		}
	}
}

// judge brings what is known of one program up to date and says whether it is
// to be stopped or started. It needs mu.
func (w *Watch) judge(s gokrazy.Service, now time.Time) (stop, start bool) {
	i := slices.IndexFunc(w.programs, func(p *program) bool { return p.Path == s.Path })
	if i < 0 {
		p := &program{Program: Program{Name: s.Name(), Path: s.Path, Pid: s.Pid, Since: s.StartTime, Stopped: s.Stopped}}
		w.programs = append(w.programs, p)
		return false, false
	}
	p := w.programs[i]
	again := s.Pid != p.Pid || !s.StartTime.Equal(p.Since)
	first := p.Pid == 0 // init had not started it yet
	p.Pid, p.Since, p.Stopped = s.Pid, s.StartTime, s.Stopped
	p.loop.Settle(now)
	defer func() { p.Restarts, p.Looping = p.loop.Restarts(), p.loop.Looping() }()
	switch {
	case p.Name == w.o.Self:
		return false, false
	case p.asked || w.quiet > 0:
		p.missing = false
		return false, false
	case !p.Held.IsZero():
		if now.Before(p.Held) {
			// One that was started while it was being stopped is stopped once more.
			return !s.Stopped, false
		}
		p.Held = time.Time{}
		p.loop.Released(now)
		p.asked = true // the start that follows is ours
		w.o.Log.Info("a program that kept ending is started again", "program", p.Name)
		go w.settle(p)
		return false, true
	case again && !first:
		if hold := p.loop.Restarted(now); hold > 0 {
			p.Held = now.Add(hold)
			w.o.Log.Error("a program keeps ending and is held back", "program", p.Name, "for", hold, "restarts", p.loop.Restarts())
			return true, false
		}
		w.o.Log.Warn("a program ended and was started again", "program", p.Name, "restarts", p.loop.Restarts())
	case s.Stopped && slices.Contains(w.o.Keep, p.Name):
		if !p.missing { // somebody may just be restarting it
			p.missing = true
			return false, false
		}
		p.missing = false
		if hold := p.loop.Restarted(now); hold > 0 {
			p.Held = now.Add(hold)
			w.o.Log.Error("a program keeps ending and is held back", "program", p.Name, "for", hold, "restarts", p.loop.Restarts())
			return false, false
		}
		p.asked = true
		w.o.Log.Warn("a program ended and was left stopped; it is started again", "program", p.Name, "restarts", p.loop.Restarts())
		go w.settle(p)
		return false, true
	}
	if !s.Stopped {
		p.missing = false
	}
	return false, false
}

// settle ends the time in which a start of p is ours.
func (w *Watch) settle(p *program) {
	time.Sleep(3 * time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	p.asked = false
}

// ErrUnknown: init supervises no program of that name.
var ErrUnknown = errors.New("there is no program of that name")

// Restart ends a program and starts it again; it returns when the new process is
// there. What was held back is started at once.
func (w *Watch) Restart(ctx context.Context, name string) error {
	doing := fmt.Sprintf("restarting %s", name)
	w.mu.Lock()
	i := slices.IndexFunc(w.programs, func(p *program) bool { return p.Name == name })
	if i < 0 {
		w.mu.Unlock()
		return fmt.Errorf("%s: %w", doing, ErrUnknown)
	}
	p := w.programs[i]
	p.Held = time.Time{}
	w.quiet++
	path, before := p.Path, p.Pid
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.quiet--
	}()
	if err := w.end(ctx, path); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if err := w.o.Init.Start(ctx, path); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	for deadline := time.Now().Add(starting); ; {
		s, err := w.find(ctx, path)
		if err == nil && s.Pid != before && s.Pid != 0 {
			w.mu.Lock()
			p.Pid, p.Since, p.Stopped = s.Pid, s.StartTime, s.Stopped
			w.mu.Unlock()
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: it was not started within %v", doing, starting)
		}
		if err := pause(ctx, step); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
}

// end has one program ended and waits until it is gone.
func (w *Watch) end(ctx context.Context, path string) error {
	s, err := w.find(ctx, path)
	if err != nil {
		return err
	}
	if err := w.o.Init.Stop(ctx, path, false); err != nil {
		return err
	}
	if w.gone(ctx, []int{s.Pid}, ending) {
		return ctx.Err()
	}
	// A stopped program's Stop is no more than that: the order is taken back,
	// which starts nothing while the process is there, and given again.
	w.o.Log.Warn("a program did not end in time and is killed", "path", path)
	if err := w.kill(ctx, path); err != nil {
		return err
	}
	if !w.gone(ctx, []int{s.Pid}, dying) {
		return errors.New("it does not end")
	}
	return ctx.Err()
}

// kill kills a program that is told to stop already, which init ignores.
func (w *Watch) kill(ctx context.Context, path string) error {
	if err := w.o.Init.Start(ctx, path); err != nil { // it is stopped: this only takes that back
		return err
	}
	return w.o.Init.Stop(ctx, path, true)
}

// gone waits until none of the processes is there, false after limit.
func (w *Watch) gone(ctx context.Context, pids []int, limit time.Duration) bool {
	for deadline := time.Now().Add(limit); ; {
		if !slices.ContainsFunc(pids, func(pid int) bool { return pid > 0 && w.o.Alive(pid) }) {
			return true
		}
		if time.Now().After(deadline) || pause(ctx, step) != nil {
			return false
		}
	}
}

func (w *Watch) find(ctx context.Context, path string) (gokrazy.Service, error) {
	list, err := w.o.Init.Services(ctx)
	if err != nil {
		return gokrazy.Service{}, err
	}
	i := slices.IndexFunc(list, func(s gokrazy.Service) bool { return s.Path == path })
	if i < 0 {
		return gokrazy.Service{}, ErrUnknown
	}
	return list[i], nil
}

// StopAll has every program but Self ended, those of last after the others, and
// killed where it does not end within 20 s. It goes on after an error. Nothing is
// started again by this watch until resume is called.
func (w *Watch) StopAll(ctx context.Context, last ...string) (resume func(), err error) {
	w.mu.Lock()
	w.quiet++
	w.mu.Unlock()
	resume = sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.quiet--
	})
	list, err := w.o.Init.Services(ctx)
	if err != nil {
		return resume, fmt.Errorf("stopping the programs: %w", err)
	}
	var errs error
	for _, final := range []bool{false, true} {
		errs = errors.Join(errs, w.stopSome(ctx, slices.DeleteFunc(slices.Clone(list), func(s gokrazy.Service) bool {
			return s.Name() == w.o.Self || slices.Contains(last, s.Name()) != final
		})))
	}
	if errs != nil {
		errs = fmt.Errorf("stopping the programs: %w", errs)
	}
	return resume, errs
}

// stopSome stops the programs together.
func (w *Watch) stopSome(ctx context.Context, list []gokrazy.Service) (errs error) {
	for _, s := range list {
		if !s.Stopped {
			errs = errors.Join(errs, w.o.Init.Stop(ctx, s.Path, false))
		}
	}
	var pids []int
	for _, s := range list {
		pids = append(pids, s.Pid)
	}
	if w.gone(ctx, pids, ending) {
		return errors.Join(errs, ctx.Err())
	}
	var deaf []string
	pids = nil
	for _, s := range list {
		if s.Pid > 0 && w.o.Alive(s.Pid) {
			deaf = append(deaf, s.Name())
			pids = append(pids, s.Pid)
			errs = errors.Join(errs, w.kill(ctx, s.Path))
		}
	}
	w.o.Log.Warn("programs did not end in time and are killed", "programs", strings.Join(deaf, " "))
	if !w.gone(ctx, pids, dying) {
		errs = errors.Join(errs, fmt.Errorf("not all of %s have ended", strings.Join(deaf, ", ")))
	}
	return errs
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
