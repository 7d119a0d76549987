package backup

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"github.com/smartcore-ireland/hems/internal/backup/staged"
)

const (
	maxManifest = 1 << 20
	// reserve is what is left free on the card when the restored files are
	// beside those they are to replace.
	reserve = 32 << 20
)

// Stage reads an archive to its end, checks all of it, and leaves its files
// where the next start puts them in place (see the package staged). Nothing is
// restored unless the archive is whole, locked with this passphrase, and holds
// only items of the list. An item that the archive does not hold stays as it is
// on this card. Errors: ErrWrong, ErrForeign, ErrNewer, ErrDamaged, ErrRefused,
// ErrNoSpace, staged.ErrHalf, of ctx, of the disk, of r.
func Stage(ctx context.Context, r io.Reader, passphrase, dataDir string, items []Item) (Manifest, error) {
	m, err := stage(ctx, r, passphrase, dataDir, items)
	if err != nil {
		return m, fmt.Errorf("reading the backup: %w", err)
	}
	return m, nil
}

func stage(ctx context.Context, r io.Reader, passphrase, dataDir string, items []Item) (m Manifest, err error) {
	source := &witness{r: whenRead{ctx, r}}
	plain, err := unlock(source, passphrase)
	if err != nil {
		return m, source.judge(err)
	}
	dir, err := staged.Begin(dataDir)
	if err != nil {
		return m, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, staged.Abandon(dataDir))
		}
	}()
	free, err := freeSpace(dataDir)
	if err != nil {
		return m, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return m, err
	}
	defer root.Close()
	u := &unpacking{root: root, items: items, free: free - reserve}
	if err := u.all(plain); err != nil {
		return u.manifest, source.judge(err)
	}
	l := staged.List{MadeAt: u.manifest.MadeAt, HostName: u.manifest.HostName, Version: u.manifest.Version, StagedAt: time.Now().UTC()}
	for _, c := range u.manifest.Items {
		l.Items = append(l.Items, c.Path)
	}
	return u.manifest, staged.Seal(dataDir, l)
}

// unlock finds the key of an age file.
func unlock(r io.Reader, passphrase string) (io.Reader, error) {
	b := bufio.NewReader(r)
	if intro, err := b.Peek(len(ageIntro)); string(intro) != ageIntro {
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return nil, ErrForeign
	}
	if passphrase == "" || len(passphrase) > MaxPassphrase {
		return nil, ErrWrong
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	identity.SetMaxWorkFactor(workFactor)
	plain, err := age.Decrypt(b, identity)
	debug.FreeOSMemory() // scrypt's, which the collector would keep for minutes
	var none *age.NoIdentityMatchError
	switch {
	case err == nil:
		return plain, nil
	case errors.As(err, &none) && slices.Contains(none.StanzaTypes, "scrypt"):
		return nil, ErrWrong
	case errors.As(err, &none):
		return nil, fmt.Errorf("%w: it is locked with a key, not with a passphrase", ErrForeign)
	case strings.Contains(err.Error(), "work factor too large"):
		return nil, fmt.Errorf("%w: its lock needs more memory than this appliance has", ErrForeign)
	}
	return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
}

const ageIntro = "age-encryption.org/v1\n"

// witness remembers how its reader ended, so that trouble of the connection is
// not taken for damage.
type witness struct {
	r   io.Reader
	err error
}

func (w *witness) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// judge is err, or why it came to it.
func (w *witness) judge(err error) error {
	if w.err != nil && !errors.Is(w.err, io.ErrUnexpectedEOF) {
		return w.err
	}
	for _, own := range []error{ErrWrong, ErrForeign, ErrNewer, ErrRefused, ErrNoSpace, ErrDamaged, errDisk} {
		if errors.Is(err, own) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// errDisk marks an error of our own disk.
var errDisk = errors.New("writing the restored files")

// freeSpace is what may be written to the file system of dir, in bytes.
func freeSpace(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("asking for the free space: %w", err)
	}
	return int64(min(st.Bavail, math.MaxInt64/uint64(st.Bsize))) * st.Bsize, nil
}

// unpacking is an archive on its way to the disk.
type unpacking struct {
	root  *os.Root
	items []Item
	free  int64 // bytes that may still be written

	manifest Manifest
	entries  int
	seen     map[string]bool // by path; true: a directory
}

// all unpacks everything up to the archive's last byte.
func (u *unpacking) all(plain io.Reader) error {
	exact := bufio.NewReaderSize(plain, 64<<10) // gzip reads no further than its end
	unpacked, err := gzip.NewReader(exact)
	if errors.Is(err, gzip.ErrHeader) {
		return ErrForeign
	}
	if err != nil {
		return err
	}
	unpacked.Multistream(false)
	if err := u.tar(unpacked); err != nil {
		return err
	}
	// What is left is the tar's padding, the sums of gzip and age.
	if err := onlyZeros(unpacked, 1<<20); err != nil {
		return err
	}
	switch _, err := exact.ReadByte(); {
	case err == nil:
		return errFollows
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

var errFollows = fmt.Errorf("%w: something follows the files", ErrRefused)

func onlyZeros(r io.Reader, most int64) error {
	b := make([]byte, 4096)
	for most > 0 {
		n, err := r.Read(b)
		most -= int64(n)
		for _, c := range b[:n] {
			if c != 0 {
				return errFollows
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return errFollows
}

// tar unpacks the members.
func (u *unpacking) tar(r io.Reader) error {
	t := tar.NewReader(r)
	h, err := t.Next()
	if errors.Is(err, io.EOF) || err == nil && (h.Name != manifestName || h.Typeflag != tar.TypeReg) {
		return ErrForeign
	}
	if err != nil {
		return err
	}
	if err := u.readManifest(t, h.Size); err != nil {
		return err
	}
	u.seen = map[string]bool{}
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if u.entries++; u.entries > maxEntries {
			return fmt.Errorf("%w: more than %d files", ErrRefused, maxEntries)
		}
		if err := u.member(t, h); err != nil {
			return err
		}
	}
	for _, c := range u.manifest.Items {
		if _, ok := u.seen[c.Path]; !ok {
			return fmt.Errorf("%w: %s is not in it", ErrDamaged, c.Path)
		}
	}
	return nil
}

// readManifest reads and judges backup.json.
func (u *unpacking) readManifest(r io.Reader, size int64) error {
	if size > maxManifest {
		return fmt.Errorf("%w: its list has %d bytes", ErrRefused, size)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m := &u.manifest
	if err := json.Unmarshal(b, m); err != nil || m.Format < 1 {
		return ErrForeign
	}
	if m.Format > Format {
		return fmt.Errorf("%w: install at least version %.40q first", ErrNewer, m.Version)
	}
	if len(m.HostName) > 255 || len(m.Version) > 255 || len(m.Items) == 0 {
		return fmt.Errorf("%w: its list makes no sense", ErrRefused)
	}
	for i, c := range m.Items {
		known := slices.ContainsFunc(u.items, func(item Item) bool { return item.Path == c.Path })
		switch {
		case staged.CheckItem(c.Path) != nil:
			return fmt.Errorf("%w: an item with the path %.80q", ErrRefused, c.Path)
		case !known:
			return fmt.Errorf("%w: it holds %.80q, which this version does not keep", ErrNewer, c.Path)
		case slices.ContainsFunc(m.Items[:i], func(d Content) bool { return d.Path == c.Path }):
			return fmt.Errorf("%w: the item %.80q twice", ErrRefused, c.Path)
		case c.Bytes < 0 || c.Bytes > math.MaxInt64/int64(len(m.Items)):
			return fmt.Errorf("%w: an item of %d bytes", ErrRefused, c.Bytes)
		}
	}
	if need := m.bytes(); need > u.free {
		return fmt.Errorf("%w: they need %d MB more than is free", ErrNoSpace, (need-u.free)>>20+1)
	}
	return nil
}

// member unpacks one file or directory.
func (u *unpacking) member(r io.Reader, h *tar.Header) error {
	name := strings.TrimSuffix(h.Name, "/")
	if err := u.checkName(name); err != nil {
		return err
	}
	if _, twice := u.seen[name]; twice {
		return fmt.Errorf("%w: %.80q twice", ErrRefused, name)
	}
	// Only what is above an item need not be named, so that the number of
	// members bounds the number of directories.
	if !u.isItem(name) && !u.seen[path.Dir(name)] {
		return fmt.Errorf("%w: %.80q is in no directory", ErrRefused, name)
	}
	perm := fs.FileMode(h.Mode) & 0o777
	switch h.Typeflag {
	case tar.TypeDir:
		u.seen[name] = true
		if err := u.mkdirAll(name); err != nil {
			return err
		}
		if err := u.root.Chmod(filepath.FromSlash(name), perm|0o700); err != nil {
			return fmt.Errorf("%w: %w", errDisk, err)
		}
		return nil
	case tar.TypeReg:
		u.seen[name] = false
		return u.file(r, name, perm|0o600, h)
	}
	return fmt.Errorf("%w: %.80q is neither a file nor a directory", ErrRefused, name)
}

// checkName refuses a name that is not below an item of the archive.
func (u *unpacking) checkName(name string) error {
	if len(name) > maxName || path.Clean(name) != name || !filepath.IsLocal(name) || strings.Count(name, "/") > maxDepth ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f || r == 0xfffd }) {
		return fmt.Errorf("%w: a file named %.80q", ErrRefused, name)
	}
	for _, c := range u.manifest.Items {
		if name == c.Path || strings.HasPrefix(name, c.Path+"/") {
			return nil
		}
	}
	return fmt.Errorf("%w: %.80q, which is not in its list", ErrRefused, name)
}

func (u *unpacking) isItem(name string) bool {
	return slices.ContainsFunc(u.manifest.Items, func(c Content) bool { return c.Path == name })
}

// mkdirAll makes a directory and those above it.
func (u *unpacking) mkdirAll(name string) error {
	if err := u.root.MkdirAll(filepath.FromSlash(name), 0o700); err != nil {
		return fmt.Errorf("%w: %w", errDisk, err)
	}
	return nil
}

func (u *unpacking) file(r io.Reader, name string, perm fs.FileMode, h *tar.Header) error {
	if h.Size > u.free {
		return fmt.Errorf("%w: %.80q alone has %d MB", ErrNoSpace, name, h.Size>>20)
	}
	if err := u.mkdirAll(path.Dir(name)); err != nil {
		return err
	}
	f, err := u.root.OpenFile(filepath.FromSlash(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, perm)
	if err != nil {
		return fmt.Errorf("%w: %w", errDisk, err)
	}
	defer f.Close()
	n, err := io.Copy(diskWriter{f}, io.LimitReader(r, u.free+1))
	u.free -= n
	if err != nil {
		return err
	}
	if u.free < 0 {
		return ErrNoSpace
	}
	if err := f.Chmod(perm); err != nil { // whatever the umask is
		return fmt.Errorf("%w: %w", errDisk, err)
	}
	if err := f.Close(); err != nil { // Seal syncs it
		return fmt.Errorf("%w: %w", errDisk, err)
	}
	_ = u.root.Chtimes(filepath.FromSlash(name), h.ModTime, h.ModTime) // for people only
	return nil
}

// diskWriter marks errors of the disk as such.
type diskWriter struct{ f *os.File }

func (w diskWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	if errors.Is(err, unix.ENOSPC) {
		err = ErrNoSpace
	} else if err != nil {
		err = fmt.Errorf("%w: %w", errDisk, err)
	}
	return n, err
}
