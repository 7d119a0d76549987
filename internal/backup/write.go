package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"filippo.io/age"
)

// Options are what Write needs.
type Options struct {
	Data     string // the data directory
	Items    []Item
	Version  string // of the appliance
	HostName string
	Now      func() time.Time // nil: time.Now
	// Begin is called before the first byte is written, when it is known what
	// the archive will hold; nil: it is not.
	Begin func(Manifest)
}

// Write writes the archive of the items to w. Its memory does not grow with
// what is copied. When it returns an error the archive is not whole, and no
// Stage takes it. Errors: ErrWeak, ErrChanging, of ctx, of the disk, of w.
func Write(ctx context.Context, w io.Writer, passphrase string, o Options) (Manifest, error) {
	m, err := write(ctx, w, passphrase, o)
	if err != nil {
		return m, fmt.Errorf("making the backup: %w", err)
	}
	return m, nil
}

func write(ctx context.Context, w io.Writer, passphrase string, o Options) (m Manifest, err error) {
	if err := CheckPassphrase(passphrase); err != nil {
		return m, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	root, err := os.OpenRoot(o.Data)
	if err != nil {
		return m, err
	}
	defer root.Close()
	m = Manifest{Format: Format, MadeAt: o.Now().UTC().Truncate(time.Second), Version: o.Version, HostName: o.HostName}
	all, err := collect(ctx, root, o.Items, &m)
	if err != nil {
		return m, err
	}
	defer closeAll(all)
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return m, err
	}
	recipient.SetWorkFactor(workFactor)
	if o.Begin != nil {
		o.Begin(m)
	}
	locked, err := age.Encrypt(w, recipient)
	debug.FreeOSMemory() // scrypt's, which the collector would keep for minutes
	if err != nil {
		return m, err
	}
	// The Pi compresses slower than its network sends, and the store, which is
	// most of it, is compressed already.
	packed, err := gzip.NewWriterLevel(locked, gzip.BestSpeed)
	if err != nil {
		return m, err
	}
	a := &archive{ctx: ctx, tar: tar.NewWriter(packed), at: m.MadeAt}
	if err := a.manifest(m); err != nil {
		return m, err
	}
	// Snapshots first: the process that gives one keeps it for us meanwhile.
	slices.SortStableFunc(all, func(a, b *collected) int { return rank(a) - rank(b) })
	for _, c := range all {
		if err := a.item(c); err != nil {
			return m, err
		}
	}
	for _, c := range []io.Closer{a.tar, packed, locked} {
		if err := c.Close(); err != nil {
			return m, err
		}
	}
	return m, nil
}

func rank(c *collected) int {
	if c.stream != nil {
		return 0
	}
	return 1
}

// archive is the tar while it is written.
type archive struct {
	ctx context.Context
	tar *tar.Writer
	at  time.Time
}

func (a *archive) manifest(m Manifest) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if len(b) > maxManifest {
		return errors.New("the list of what is copied is too long")
	}
	return a.file(manifestName, 0o600, a.at, int64(len(b)), bytes.NewReader(b))
}

func (a *archive) item(c *collected) error {
	for _, e := range c.entries {
		if e.info.IsDir() {
			err := a.tar.WriteHeader(&tar.Header{
				Typeflag: tar.TypeDir, Name: e.name + "/", Mode: int64(e.info.Mode().Perm()),
				ModTime: e.info.ModTime(), Format: tar.FormatPAX,
			})
			if err != nil {
				return err
			}
			continue
		}
		if err := a.copy(c, e); err != nil {
			return fmt.Errorf("copying %s: %w", e.name, err)
		}
	}
	if c.stream == nil {
		return nil
	}
	if err := a.file(c.Snapshot.File, 0o600, a.at, c.stream.Size, c.stream); err != nil {
		return fmt.Errorf("copying %s: %w", c.Snapshot.File, err)
	}
	return nil
}

func (a *archive) copy(c *collected, e entry) error {
	f, info, gone, err := e.open(c.base)
	if err != nil || gone {
		return err
	}
	defer f.Close()
	return a.file(e.name, info.Mode().Perm(), info.ModTime(), info.Size(), f)
}

// file copies size bytes of r, and no more: a log that grows meanwhile is whole
// up to there.
func (a *archive) file(name string, mode os.FileMode, at time.Time, size int64, r io.Reader) error {
	err := a.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Mode: int64(mode), ModTime: at, Size: size, Format: tar.FormatPAX,
	})
	if err != nil {
		return err
	}
	n, err := io.Copy(a.tar, io.LimitReader(whenRead{a.ctx, r}, size))
	if err != nil {
		return err
	}
	if n < size {
		return fmt.Errorf("%w: it had %d bytes and then %d", ErrChanging, size, n)
	}
	return nil
}
