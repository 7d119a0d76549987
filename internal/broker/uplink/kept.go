package uplink

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// keptFile is in the broker's directory.
const keptFile = "bridges.json"

// kept is what the bridges remember over a restart: sessions at the brokers
// outlive it, with subscriptions that the configuration may no longer have.
type kept struct {
	path string
	mu   sync.Mutex
	data keptData
}

type keptData struct {
	// ID is our broker's name among others: random, and the same for ever.
	ID      string                `json:"id"`
	Bridges map[string]subscribed `json:"bridges,omitempty"`
}

// subscribed are the filters of a bridge's sessions.
type subscribed struct {
	Out []string `json:"out,omitempty"` // at our broker
	In  []string `json:"in,omitempty"`  // at the other one
}

// openKept reads the file, or begins one.
func openKept(dir string) (*kept, error) {
	k := &kept{path: filepath.Join(dir, keptFile)}
	b, err := os.ReadFile(k.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading what the bridges keep: %w", err)
	}
	// A file that cannot be read costs the sessions at the other brokers, which
	// end by themselves.
	if json.Unmarshal(b, &k.data) == nil && k.data.ID != "" {
		return k, nil
	}
	var id [6]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("naming our broker: %w", err)
	}
	k.data = keptData{ID: hex.EncodeToString(id[:])}
	return k, k.write()
}

func (k *kept) write() error {
	b, err := json.MarshalIndent(k.data, "", "\t")
	if err != nil {
		return err
	}
	if err := atomicfile.Write(k.path, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing what the bridges keep: %w", err)
	}
	return nil
}

// set says what a bridge is subscribed to from now on, and returns what it was.
func (k *kept) set(name string, now subscribed) (before subscribed, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	before, had := k.data.Bridges[name]
	if had && slices.Equal(before.Out, now.Out) && slices.Equal(before.In, now.In) {
		return before, nil
	}
	if k.data.Bridges == nil {
		k.data.Bridges = map[string]subscribed{}
	}
	k.data.Bridges[name] = now
	return before, k.write()
}

func (k *kept) remove(name string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.data.Bridges, name)
	return k.write()
}

func (k *kept) names() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.data.Bridges))
}

// gone are the filters of before that are not in now.
func gone(before, now []string) (list []string) {
	for _, f := range before {
		if !slices.Contains(now, f) {
			list = append(list, f)
		}
	}
	return list
}

// forgetRemoved ends the sessions, at our broker, of bridges that are no longer
// configured: nobody will ever fetch what waits there.
func (u *Uplink) forgetRemoved(ctx context.Context) {
	for _, name := range u.kept.names() {
		if slices.ContainsFunc(u.links, func(l *link) bool { return l.c.Name == name && !l.c.CleanSession }) {
			continue
		}
		for n := 0; ; n++ {
			e, err := u.dialLocal(ctx, name, true, 1)
			if err == nil {
				e.farewell()
				e.conn.Close()
				if err := u.kept.remove(name); err != nil {
					u.opt.Log.Warn("a bridge that was removed is not forgotten", "bridge", name, "err", err)
				}
				break
			}
			if !u.opt.pace.wait(ctx, n) {
				return
			}
		}
	}
}

// localID is a bridge's client id at our broker.
func localID(name string) string { return "bridge-" + name }

// dialLocal signs a bridge in at our own broker.
func (u *Uplink) dialLocal(ctx context.Context, name string, clean bool, receive int) (*end, error) {
	conn, err := u.opt.Dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting to our own broker: %w", err)
	}
	return newEnd(ctx, "our own broker", conn, hello{
		version: 5, clientID: localID(name), user: u.opt.User, password: u.opt.Password,
		clean: clean, keepAlive: time.Minute, receive: receive,
	})
}
