package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker/acl"
	"github.com/smartcore-ireland/hems/internal/broker/passwd"
)

// lookEvery is how often the files of users are looked at, and settle how long one
// that changes must stay as it is to be read.
const (
	lookEvery = time.Second
	settle    = 100 * time.Millisecond
)

// people are the users of the house, as the password file and the access list
// have them at one moment.
type people struct {
	passwords *passwd.File
	verifier  *passwd.Verifier
	list      *acl.List
	seen      []fileState
}

// readPeople reads both files; one that is not there has nobody in it.
func readPeople(passwords, list string) (*people, error) {
	p := &people{seen: []fileState{stateOf(passwords), stateOf(list)}} // before they are read
	var errPasswords, errList error
	p.passwords, errPasswords = passwd.Load(passwords)
	p.list, errList = acl.Load(list)
	if err := errors.Join(errPasswords, errList); err != nil {
		return nil, err
	}
	p.verifier = passwd.NewVerifier(p.passwords)
	return p, nil
}

// nobody is for files that were never right.
func nobody() *people {
	p, err := readPeople("", "")
	if err != nil {
		panic(err) // nothing was read
	}
	p.seen = nil
	return p
}

// fileState tells one content of a file from another without reading it.
type fileState struct {
	info fs.FileInfo // nil: not there
}

func stateOf(path string) fileState {
	info, err := os.Stat(path)
	if err != nil {
		return fileState{}
	}
	return fileState{info}
}

func (s fileState) same(o fileState) bool {
	if s.info == nil || o.info == nil {
		return s.info == nil && o.info == nil
	}
	a, aok := s.info.Sys().(*syscall.Stat_t)
	z, zok := o.info.Sys().(*syscall.Stat_t)
	// The change of an owner counts too: what could not be read may be read then.
	return aok && zok && a.Ino == z.Ino && a.Dev == z.Dev && a.Size == z.Size && a.Ctim == z.Ctim
}

// loadPeople reads the files of users. Those that are wrong are told, and leave
// what was true before.
func (b *Broker) loadPeople() {
	p, err := readPeople(b.opt.PasswordFile, b.opt.ACLFile)
	if err == nil {
		b.trouble.Store(nil)
		b.people.Store(p)
		b.log.Info("MQTT users and their access lists were read", "users", len(p.passwords.Users()), "lists", len(p.list.Users()))
		return
	}
	why := err.Error()
	b.trouble.Store(&why)
	going := "those before stay as they were"
	if b.people.Load() == nil {
		going = "nobody but the appliance's own users can sign in"
		b.people.Store(nobody())
	}
	b.log.Error(fmt.Sprintf("MQTT users cannot be read: %s", going), "error", err)
}

// watchPeople reads the files of users again when they change, and lets what they
// say bind everybody who is connected. It disconnects those alone who could not
// sign in any more.
func (b *Broker) watchPeople(ctx context.Context) {
	files := []string{b.opt.PasswordFile, b.opt.ACLFile}
	for _, l := range b.opt.Listeners {
		if l.TLS != nil && l.TLS.Trust != nil {
			files = append(files, l.TLS.Trust.Files()...)
		}
	}
	look := func() (all []fileState) {
		for _, f := range files {
			all = append(all, stateOf(f))
		}
		return all
	}
	seen := append(slices.Clone(b.people.Load().seen), look()[2:]...)
	if len(seen) < len(files) { // they were wrong
		seen = look()
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := look()
		if slices.EqualFunc(seen, now, fileState.same) {
			continue
		}
		// Mosquitto's own program writes over the file: half of it is not what it
		// says.
		time.Sleep(settle)
		if !slices.EqualFunc(now, look(), fileState.same) {
			continue
		}
		seen = now
		b.loadPeople()
		b.server.Load().Reload()
	}
}

// reserved tells the topics that the appliance's processes alone speak on,
// whatever an access list says: health that somebody else made up would be
// believed.
func reserved(topic string) bool { return topic == "hems" || strings.HasPrefix(topic, "hems/") }
