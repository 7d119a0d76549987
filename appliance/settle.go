package appliance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/smartcore-ireland/hems/internal/privilege"
)

// settle makes the process's places and, on a card, makes it its own user's:
// from then on it can read and write what Places says and nothing else. What
// needs root and comes late, such as the MQTT password that the broker makes,
// is waited for; what is missing is said once. ok is false when ctx has ended.
func (p Process) settle(ctx context.Context, env *Env, asRoot []func(Env) error) (ok bool, err error) {
	user := UserOf(p.Name)
	drops := env.Card && os.Geteuid() == 0 && user.ID != root
	if !drops {
		if err := p.makeDirectories(*env); err != nil {
			return false, err
		}
	} else if !env.awaitSuccess(ctx, func() error { return p.prepareAsRoot(*env, asRoot) }) ||
		!env.awaitSuccess(ctx, func() error { return p.readPassword(env) }) {
		return false, nil
	}
	if err := p.openSocket(env, user, drops); err != nil {
		env.Log.Error("the process goes on without its socket", "err", err)
	}
	if !drops {
		return true, nil
	}
	syscall.Umask(0o077)
	if err := privilege.Drop(user.ID, user.ID, append([]int{user.ID}, user.Groups...)); err != nil {
		return false, err
	}
	home := env.Path(p.Dir)
	if err := os.Chdir(home); err != nil {
		return false, fmt.Errorf("changing to the process's own directory: %w", err)
	}
	return true, os.Setenv("HOME", home)
}

func (p Process) makeDirectories(env Env) error {
	if err := os.MkdirAll(env.Path(p.Dir), 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	if err := os.MkdirAll(env.Runtime, 0o755); err != nil {
		return fmt.Errorf("making the runtime directory: %w", err)
	}
	return nil
}

// awaitSuccess does something until it succeeds, and says once what is in the
// way; false: ctx has ended.
func (e Env) awaitSuccess(ctx context.Context, do func() error) bool {
	said := ""
	for {
		err := do()
		if err == nil {
			return true
		}
		if s := err.Error(); s != said {
			e.Log.Warn("waiting for what the process needs before it gives up being root", "err", s)
			said = s
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// prepareAsRoot does what the process cannot do as its user.
func (p Process) prepareAsRoot(env Env, asRoot []func(Env) error) error {
	for _, f := range asRoot {
		if err := f(env); err != nil {
			return err
		}
	}
	err := env.TakeOver(p.Name)
	if _, missing := os.Stat(env.Path(p.Dir)); missing != nil {
		return errors.Join(err, missing)
	}
	if err != nil {
		// One file that cannot be given away is not worth stopping for: whoever
		// needs it will say so.
		env.Log.Error("not everything on the card has its right owner", "err", err)
	}
	return nil
}

// readPassword keeps the process's MQTT password, which its user may not read.
func (p Process) readPassword(env *Env) error {
	if p.User == "" {
		return nil
	}
	password, err := env.Password(p.User)()
	if err != nil {
		return err
	}
	if password == "" {
		return fmt.Errorf("the MQTT password of %s is empty: remove the file %s and restart", p.User, env.Secret("mqtt-"+p.User))
	}
	env.passwordOf, env.password = p.User, password
	return nil
}

// openSocket opens the process's unix socket, if it has one, where only root
// may make it.
func (p Process) openSocket(env *Env, user User, drops bool) error {
	if p.Socket == "" {
		return nil
	}
	path := env.Run(p.Socket)
	l, err := listenUnix(path)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", path, err)
	}
	defer l.Close()
	l.SetUnlinkOnClose(false)
	mode := os.FileMode(0o600)
	if drops {
		mode = 0o660
		if err := os.Chown(path, user.ID, user.ID); err != nil {
			return fmt.Errorf("listening on %s: %w", path, err)
		}
	}
	if err := os.Chmod(path, mode); err != nil {
		return fmt.Errorf("listening on %s: %w", path, err)
	}
	env.socket, err = l.File()
	return err
}

// listenUnix listens in place of a process that has gone, but not of one that
// is there.
func listenUnix(path string) (*net.UnixListener, error) {
	c, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		c.Close()
		return nil, errors.New("another process answers there: stop it")
	case errors.Is(err, syscall.ECONNREFUSED):
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}

// ErrNoSocket: the process has none, or could not open it, which was said.
var ErrNoSocket = errors.New("the process has no socket")

// Socket is the process's unix socket in the runtime directory. It stays when a
// run ends: the next run, with another hems.yaml, has it too.
func (e Env) Socket() (net.Listener, error) {
	if e.socket == nil {
		return nil, ErrNoSocket
	}
	l, err := net.FileListener(e.socket)
	if err != nil {
		return nil, fmt.Errorf("taking connections on %s: %w", e.socket.Name(), err)
	}
	return l, nil
}
