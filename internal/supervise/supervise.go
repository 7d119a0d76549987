// Package supervise keeps child processes running the way the appliance does:
// started together, started again a second after they end, held back where they
// keep ending, stopped together.
// It is what "make run" has in init's place. It knows processes and signals and
// must never know what a process does.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/smartcore-ireland/hems/internal/crashloop"
)

// Process is one child to keep running.
type Process struct {
	Name string
	Path string
	Args []string // without the program's name
	Env  []string // the whole environment, "K=V"
}

// Supervisor starts processes and keeps them running until its context ends.
type Supervisor struct {
	// RestartDelay is how long a process that ended stays down. Default 1 s,
	// gokrazy's.
	RestartDelay time.Duration
	// StopGrace is how long a process has between SIGTERM and SIGKILL.
	// Default 2.5 s, so that everything is down within 3 s of Ctrl-C.
	StopGrace time.Duration
	// Output is where a process's standard output and error go.
	Output func(name string) io.Writer
	Log    *slog.Logger
	// Started, if set, is told the process id of each start.
	Started func(name string, pid int)
}

// Run starts all processes and returns when ctx has ended and the last of them
// is gone. A process whose program cannot be started is tried again like one
// that ended: the others go on.
func (s *Supervisor) Run(ctx context.Context, processes []Process) {
	var wg sync.WaitGroup
	for _, p := range processes {
		wg.Go(func() { s.keep(ctx, p) })
	}
	wg.Wait()
}

func (s *Supervisor) keep(ctx context.Context, p Process) {
	// Pdeathsig below is sent when the thread that started the child ends, not
	// the process: this goroutine keeps its thread as long as it has children.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	delay := s.RestartDelay
	if delay == 0 {
		delay = time.Second
	}
	var loop crashloop.Loop
	for {
		err := s.once(ctx, p)
		if ctx.Err() != nil {
			return
		}
		wait := delay
		if hold := loop.Restarted(time.Now()); hold > 0 {
			wait = max(wait, hold)
			s.Log.Error("process keeps ending and is held back", "process", p.Name, "result", result(err), "restarts", loop.Restarts(), "for", wait)
		} else {
			s.Log.Warn("process ended, starting it again", "process", p.Name, "result", result(err), "in", wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func result(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// once runs p to its end. When ctx ends first, p gets SIGTERM and, after the
// grace, SIGKILL.
func (s *Supervisor) once(ctx context.Context, p Process) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Env = p.Env
	out := s.Output(p.Name)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:   true,            // Ctrl-C reaches the supervisor alone, which stops the rest in order
		Pdeathsig: syscall.SIGKILL, // no orphan holds a port after the supervisor was killed
	}
	// A grandchild that keeps the output open must not keep Wait from returning.
	cmd.WaitDelay = 500 * time.Millisecond
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.Path, err)
	}
	if s.Started != nil {
		s.Started(p.Name, cmd.Process.Pid)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	grace := s.StopGrace
	if grace == 0 {
		grace = 2500 * time.Millisecond
	}
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may just have ended by itself
	select {
	case err := <-done:
		return err
	case <-time.After(grace):
		s.Log.Warn("process did not stop in time, killing it", "process", p.Name, "grace", grace)
		_ = cmd.Process.Kill()
		return errors.Join(ctx.Err(), <-done)
	}
}
