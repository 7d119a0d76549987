// Package broker is the appliance's MQTT broker: listeners, credentials and access
// lists around the server of package core, and its journal on the disk. It must
// never know what the messages say.
//
// What it keeps over a restart, a kill and a power cut: retained messages,
// sessions with their subscriptions and the messages that wait for them, as
// packages core and journal promise.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker/core"
	"github.com/smartcore-ireland/hems/internal/broker/door"
	"github.com/smartcore-ireland/hems/internal/broker/journal"
	"github.com/smartcore-ireland/hems/internal/broker/listen"
)

const (
	stopTimeout = 1200 * time.Millisecond
	maxRetry    = 5 * time.Second // between attempts to get a port or the journal
)

// Options say where to listen and where to keep things.
type Options struct {
	TCP  []string // addresses, such as "127.0.0.1:1883"
	Unix string   // path of a unix socket; empty: none
	// Listeners are further ones, with what those above have not.
	Listeners []Listener
	// Dir is the broker's own directory, Secrets that of the passwords, which are
	// generated where they are missing.
	Dir, Secrets string
	// Users may sign in, with the password in Secrets, and do what their Access
	// allows. Nil: DefaultUsers.
	Users map[string]Access
	// PasswordFile and ACLFile are of the users of the house, in Mosquitto's
	// forms. They are read again when they change; empty or missing: there are
	// none.
	PasswordFile, ACLFile string
	// Limits of the door, and of the server; the zero value is the default.
	Limits door.Limits
	Core   core.Limits
	// SyncEvery is the most that a record waits for the disk under load; an
	// acknowledgement waits for it. 0: 2 s. Negative: nothing waits for others.
	SyncEvery time.Duration
	Log       *slog.Logger
}

// Broker is one broker. Make it with New and run it once with Run.
type Broker struct {
	opt       Options
	log       *slog.Logger
	server    atomic.Pointer[core.Server]
	journal   *journal.Log
	listeners []*listener
	lock      *os.File
	people    atomic.Pointer[people]
	trouble   atomic.Pointer[string] // why the files of users could not be read the last time
	refused   atomic.Uint64          // connections that ended in their handshakes, or came too often
	ready     chan struct{}
}

// Stats are counts since New.
type Stats struct {
	core.Stats
	Handshakes uint64 // connections that were ended in them, or because of too many
	Users      string // why the files of users could not be read; "" when they could
	Journal    journal.Stats
}

// New checks the options. It opens nothing.
func New(o Options) (*Broker, error) {
	if o.Dir == "" || o.Secrets == "" {
		return nil, errors.New("making a broker: it needs a directory for its data and one for the passwords")
	}
	if len(o.TCP) == 0 && o.Unix == "" && len(o.Listeners) == 0 {
		return nil, errors.New("making a broker: it has nowhere to listen")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Users == nil {
		o.Users = DefaultUsers()
	}
	o.Core.Door = o.Limits
	b := &Broker{opt: o, log: o.Log, ready: make(chan struct{})}
	for _, address := range o.TCP {
		b.listeners = append(b.listeners, newListener(b, Listener{Options: listen.Options{Network: "tcp", Address: address}}))
	}
	for _, l := range o.Listeners {
		b.listeners = append(b.listeners, newListener(b, l))
	}
	if o.Unix != "" {
		b.listeners = append(b.listeners, newListener(b, Listener{Options: listen.Options{Network: "unix", Address: o.Unix}}))
	}
	return b, nil
}

// Run serves until ctx ends and then stops within 2 s, with everything on the
// disk. A port or a directory that cannot be had is logged and tried again, at
// most 5 s apart; the other listeners go on. The error is that of the journal's
// last write.
func (b *Broker) Run(ctx context.Context) error {
	if !b.prepare(ctx) {
		return nil
	}
	server := b.server.Load()
	var wg sync.WaitGroup
	if b.opt.PasswordFile != "" || b.opt.ACLFile != "" {
		wg.Go(func() { b.watchPeople(ctx) })
	}
	for _, l := range b.listeners {
		wg.Go(func() { l.run(server) })
	}
	close(b.ready)
	<-ctx.Done()
	b.awaitLastWords(server)
	stop, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	for _, l := range b.listeners {
		l.stop()
	}
	if err := server.Close(stop); err != nil {
		b.log.Warn("the broker stops without waiting for all its connections")
	}
	wg.Wait()
	for _, l := range b.listeners {
		l.closeAll(stop)
	}
	s := b.Stats()
	err := b.journal.Close()
	b.lock.Close()
	b.log.Info("the broker has stopped", "retained", s.Retained, "journal_bytes_written", b.journal.Stats().Written, "flushes", b.journal.Stats().Flushes)
	if err != nil {
		return fmt.Errorf("stopping the broker: %w", err)
	}
	return nil
}

// prepare makes the passwords and loads what was kept; false when ctx ended first.
func (b *Broker) prepare(ctx context.Context) bool {
	retry := retrier{log: b.log}
	for {
		err := b.tryPrepare()
		if err == nil {
			return true
		}
		if !retry.wait(ctx.Done(), err) {
			return false
		}
	}
}

func (b *Broker) tryPrepare() (err error) {
	users := make([]string, 0, len(b.opt.Users))
	for u := range b.opt.Users {
		users = append(users, u)
	}
	if err := EnsureCredentials(b.opt.Secrets, users...); err != nil {
		return err
	}
	if err := b.takeLock(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			b.lock.Close()
		}
	}()
	b.loadPeople()
	begin := time.Now()
	server, err := core.New(core.Options{Authority: authority{b}, Limits: b.opt.Core, Version: "SmartCORE HEMS", Log: b.log})
	if err != nil {
		return err
	}
	log, report, err := journal.Open(filepath.Join(b.opt.Dir, "journal"), journal.Options{MaxWait: b.opt.SyncEvery, Log: b.log}, server.Load)
	if err != nil {
		return err
	}
	if report.Repaired {
		b.log.Warn("the broker's journal was damaged and has been repaired", "records", report.Records, "bytes_lost", report.LostBytes, "kept_aside", report.Aside)
	}
	server.Start(keeper{log})
	b.journal = log
	if err := b.takeOver(server); err != nil {
		b.log.Error("what an older broker has kept could not be read", "error", err)
	}
	b.server.Store(server)
	s := server.Stats()
	b.log.Info("retained messages loaded", "messages", s.Retained, "sessions", s.Sessions, "took", time.Since(begin).Round(time.Millisecond))
	return nil
}

// takeLock makes sure that no other broker, of whatever version, uses the
// directory.
func (b *Broker) takeLock() error {
	if err := os.MkdirAll(b.opt.Dir, 0o700); err != nil {
		return fmt.Errorf("opening the broker's directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(b.opt.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("opening the broker's directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return fmt.Errorf("opening the broker's directory %s: another broker uses it: stop it, or give this one another data directory", b.opt.Dir)
	}
	b.lock = f
	return nil
}

// keeper is the journal as the server sees it.
type keeper struct{ *journal.Log }

func (k keeper) Append(kind byte, body []byte, lazy bool) core.Seq {
	return core.Seq(k.Log.Append(kind, body, lazy))
}
func (k keeper) Notify(f func(core.Seq)) { k.Log.Notify(func(m journal.Seq) { f(core.Seq(m)) }) }
func (k keeper) Durable() core.Seq       { return core.Seq(k.Log.Durable()) }

// lastWords is how long a broker that stops still serves the clients of the
// unix socket. When the whole appliance is stopped, its processes are told in
// the same moment and say goodbye ("offline") through this broker.
const lastWords = 500 * time.Millisecond

// awaitLastWords returns when the last client of the unix socket has gone, or
// after lastWords.
func (b *Broker) awaitLastWords(server *core.Server) {
	local := func() bool { return server.Connected(func(l core.Listener) bool { return l.Local }) > 0 }
	for deadline := time.Now().Add(lastWords); local() && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
}

// Ready is closed when retained messages are loaded and listening has begun; a
// port that is taken may still be missing.
func (b *Broker) Ready() <-chan struct{} { return b.ready }

// Addresses are where the broker listens now: of TCP the host and port, of the
// unix socket the path. An address that could not be had yet is missing.
func (b *Broker) Addresses() []string {
	var all []string
	for _, l := range b.listeners {
		if a := l.bound(); a != "" {
			all = append(all, a)
		}
	}
	return all
}

// Stats are what was refused, dropped and written.
func (b *Broker) Stats() Stats {
	server := b.server.Load()
	if server == nil {
		return Stats{}
	}
	s := Stats{Stats: server.Stats(), Handshakes: b.refused.Load(), Journal: b.journal.Stats()}
	if why := b.trouble.Load(); why != nil {
		s.Users = *why
	}
	return s
}
