// Package keeper is the process that holds the board's watchdog: hems-boot starts
// it before anything else and it stays for as long as the appliance runs, its
// own session and no service of gokrazy's. It knows the watchdog, the policy by
// which it is kicked, the socket on which hems-manager gives its signs of life,
// and what can be seen from outside of the file system of /perm, and tells how
// the start went. It must never know what the manager judges, nor repair
// anything.
//
// The watchdog is in a process of its own because it must outlive the first
// process, which becomes gokrazy's, and must not depend on any program that is
// restarted, updated or stopped. When the keeper itself dies, the board is
// reset.
package keeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/smartcore-ireland/hems/internal/boot/report"
)

// The keeper's pace.
const (
	timeout    = 15 * time.Second // of the watchdog
	kickEvery  = 2 * time.Second
	watchEvery = 10 * time.Second
	// mountWithin is how long gokrazy may take to mount /run, over whatever was
	// there, once it has been started.
	mountWithin = 30 * time.Second
)

// Keeper is what the process works with: the machine's own paths, or a test's.
type Keeper struct {
	Device   string // the watchdog
	Runtime  string // the runtime directory; it is in a file system that gokrazy mounts
	Proc     string // where the kernel tells of processes and mounts
	Sys      string // and of devices
	Perm     string // where the data's file system is mounted
	Log      func(format string, args ...any)
	Handover *os.File // the first process's end of the line is at its other end
	// Restart asks the first process for a restart in good order.
	Restart func() error

	mu        sync.Mutex
	policy    *Policy
	report    report.Boot
	perm      string        // the partition's name among the kernel's devices; "" in memory
	sound     bool          // nothing was wrong with its file system when it was mounted
	mendAfter time.Duration // how long the appliance runs at least before it is started again
	mended    bool          // it was, or is about to be
	found     int           // how many errors of the file system are told already
	hold      *os.File
}

// Run is the life of the process; it ends with ctx, which in the appliance is
// never.
func (k *Keeper) Run(ctx context.Context) error {
	// Signals are meant for others: a stopped keeper is a reset.
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	k.policy = NewPolicy(time.Now())
	dog, err := openDevice(k.Device, timeout)
	if err != nil {
		k.Log("%v", err)
	}
	var watchdog report.Watchdog
	if dog == nil {
		k.Log("there is no watchdog: nothing resets the board when it hangs")
	} else {
		k.Log("watchdog %q resets the board when it is not kicked for %v", dog.identity, dog.timeout)
		watchdog = report.Watchdog{Identity: dog.identity, Timeout: int(dog.timeout / time.Second)}
	}
	// The kernel must not choose this process when memory runs out.
	if err := os.WriteFile(filepath.Join(k.Proc, "self/oom_score_adj"), []byte("-1000"), 0); err != nil {
		k.Log("staying when memory runs out: %v", err)
	}

	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { k.kicks(ctx, dog) })

	k.takeOver(watchdog)
	k.quietly("waiting for the runtime directory", func() { k.awaitRuntime(ctx) })
	wg.Go(func() { k.listens(ctx) })
	every(ctx, watchEvery, func() { k.quietly("looking at /perm", k.look) })
	return nil
}

// every calls f now and then each interval, until ctx has ended.
func every(ctx context.Context, interval time.Duration, f func()) {
	for {
		f()
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
	}
}

// quietly keeps a mistake in what is not the watchdog's business from resetting
// the board.
func (k *Keeper) quietly(what string, f func()) {
	defer func() {
		if r := recover(); r != nil {
			k.Log("%s: %v\n%s", what, r, debug.Stack())
		}
	}()
	f()
}

// kicks kicks the watchdog for as long as the policy lets it.
func (k *Keeper) kicks(ctx context.Context, dog *device) {
	failed := false
	every(ctx, kickEvery, func() {
		k.mu.Lock()
		ok, why := k.policy.Kick(time.Now())
		k.mu.Unlock()
		switch {
		case !ok && !failed:
			failed = true
			k.Log("%s: the watchdog is not kicked any more", why)
			go syscall.Sync() // what the programs did not ask to be written yet; it may hang
		case ok && dog != nil:
			if err := dog.kick(); err != nil && !failed {
				failed = true
				k.Log("kicking the watchdog: %v", err)
			}
		}
	})
}

// takeOver waits for the first process to have done its work and answers it.
func (k *Keeper) takeOver(watchdog report.Watchdog) {
	h, err := receive(k.Handover)
	if err != nil {
		// The first process ends only by becoming gokrazy's, or by the kernel's
		// panic: the programs start.
		k.Log("%v", err)
		h.Report.Perm = report.Perm{State: report.Errors, Message: "The start did not go as it should: restart the appliance.", Detail: err.Error()}
	}
	h.Report.Watchdog = watchdog
	k.mu.Lock()
	k.policy.Ready(time.Now(), h.Trial)
	k.report, k.perm = h.Report, h.Perm
	k.sound, k.mendAfter = h.Report.Perm.State == report.OK, h.MendAfter
	k.mu.Unlock()
	if h.Hold != "" {
		// As long as it is open like this nobody can mount it: gokrazy, which
		// tries to, must not put a broken file system over the one in memory.
		var err error
		if k.hold, err = os.OpenFile(h.Hold, os.O_RDONLY|syscall.O_EXCL, 0); err != nil {
			k.Log("keeping the card's file system from being mounted: %v", err)
		}
	}
	if err == nil {
		if err := answer(k.Handover); err != nil {
			k.Log("%v", err)
		}
	}
}

// awaitRuntime waits until gokrazy has mounted its file system for run time
// files, and tells there how the start went.
func (k *Keeper) awaitRuntime(ctx context.Context) {
	at := filepath.Dir(k.Runtime)
	for deadline := time.Now().Add(mountWithin); ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		m, err := mountAt(k.Proc, at)
		if err == nil && m.FS == "tmpfs" {
			break
		}
		if time.Now().After(deadline) {
			k.Log("%s was not mounted within %v: %v", at, mountWithin, err)
			break
		}
	}
	if err := os.MkdirAll(k.Runtime, 0o755); err != nil {
		k.Log("making the runtime directory: %v", err)
	}
	k.tell()
}

// tell writes the report.
func (k *Keeper) tell() {
	k.mu.Lock()
	b := k.report
	k.mu.Unlock()
	b.At = time.Now().UTC()
	if err := report.Write(k.Runtime, b); err != nil {
		k.Log("%v", err)
	}
}

// listens takes the manager's words.
func (k *Keeper) listens(ctx context.Context) {
	refused := 0
	every(ctx, kickEvery, func() { // again, should the socket fail
		l, err := listen(k.Runtime)
		if err != nil {
			k.Log("%v", err)
			return
		}
		stop := context.AfterFunc(ctx, func() { l.conn.Close() })
		defer stop()
		defer l.conn.Close()
		for {
			word, err := l.receive()
			if err == nil {
				err = k.hear(word)
			}
			switch {
			case ctx.Err() != nil:
				return
			case errors.Is(err, errRefused):
				if refused++; refused == 1 || refused%1000 == 0 {
					k.Log("%v (%d so far)", err, refused)
				}
			case err != nil:
				k.Log("%v", err)
				return
			}
		}
	})
}

func (k *Keeper) hear(word string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch word {
	case Alive:
		if k.policy.heard.IsZero() {
			k.Log("hems-manager gave its first sign of life")
		}
		k.policy.Alive(time.Now())
	case Confirmed:
		if !k.policy.confirmed {
			k.Log("hems-manager has confirmed this system")
		}
		k.policy.Confirmed(time.Now())
	default:
		return fmt.Errorf("%w: %q is not one", errRefused, word)
	}
	return nil
}
