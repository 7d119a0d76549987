package slot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/smartcore-ireland/hems/internal/update/bootpart"
)

// Content is a system to be put into a slot.
type Content struct {
	// Boot are the kernel (vmlinuz.gz), at least one device tree (*.dtb) and
	// overlays. A cmdline.txt or slot.json among them is left out: the slot's own
	// is made here. overlays/README is added when it is missing.
	Boot []bootpart.File
	// Root is the root partition's SquashFS, of exactly RootSize bytes.
	Root     io.Reader
	RootSize int64
	// PartUUID is the number of the card's boot partition, from which the
	// kernel counts to the root partition: that of the card, not of the maker's.
	PartUUID string
	// Version is the system's, one word of up to 64 characters.
	Version string
}

// A Digest is what a file or partition must hold.
type Digest struct {
	Size int64  `json:"size"`
	Sum  string `json:"sha256"` // hexadecimal
}

// A Manifest is what stands in a slot, written with it as slot.json.
type Manifest struct {
	Version string            `json:"version"`
	Root    Digest            `json:"root"`
	Files   map[string]Digest `json:"files"` // but slot.json itself
}

// DigestOf is the digest of bytes.
func DigestOf(b []byte) Digest {
	sum := sha256.Sum256(b)
	return Digest{int64(len(b)), hex.EncodeToString(sum[:])}
}

// BootFiles are all files of a slot's directory: those of the content, its command
// line, and the manifest, for which the digest of the root is needed.
func BootFiles(s Slot, c Content, root Digest) ([]bootpart.File, error) {
	line, err := CommandLine(s, c.PartUUID, c.Version)
	if err != nil {
		return nil, err
	}
	var files []bootpart.File
	trees := 0
	has := map[string]bool{} // in lower case, as FAT does not tell A from a
	for _, f := range c.Boot {
		if strings.EqualFold(f.Name, CommandLineFile) || strings.EqualFold(f.Name, ManifestFile) {
			continue
		}
		files = append(files, f)
		has[strings.ToLower(f.Name)] = true
		if isTree(f.Name) {
			trees++
		}
	}
	if !has[KernelFile] {
		return nil, fmt.Errorf("there is no kernel, %s", KernelFile)
	}
	if trees == 0 {
		return nil, errors.New("there is no device tree, *.dtb")
	}
	if !has[strings.ToLower(OverlaysReadme)] {
		files = append(files, bootpart.File{Name: OverlaysReadme, Data: []byte("Overlays of this slot. Without this file the firmware does not look here.\n")})
	}
	files = append(files, bootpart.File{Name: CommandLineFile, Data: []byte(line)})
	m := Manifest{Version: c.Version, Root: root, Files: map[string]Digest{}}
	for _, f := range files {
		m.Files[f.Name] = DigestOf(f.Data)
	}
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return nil, fmt.Errorf("writing the manifest: %w", err)
	}
	return append(files, bootpart.File{Name: ManifestFile, Data: append(text, '\n')}), nil
}

func isTree(name string) bool { return path.Ext(name) == ".dtb" && !strings.Contains(name, "/") }

// squashBytes is how long the SquashFS is that begins with these bytes (its
// superblock: magic, at 40 the bytes used).
func squashBytes(head []byte) (int64, error) {
	if len(head) < 96 || !bytes.HasPrefix(head, []byte("hsqs")) {
		return 0, errors.New("the root is not a SquashFS")
	}
	n := binary.LittleEndian.Uint64(head[40:])
	if n > 1<<40 {
		return 0, errors.New("the root's superblock is damaged")
	}
	return int64(n), nil
}

// Contents is what stands in a slot at a glance.
type Contents struct {
	Slot    Slot
	Version string // of its command line; "" for an empty slot
	Problem string // what is missing or does not fit together; "" when nothing is
}

// Whole says that nothing is missing. That every byte is right only Verify says.
func (c Contents) Whole() bool { return c.Problem == "" }

// Look says what stands in a slot, by names and beginnings.
func (c *Card) Look(s Slot) (Contents, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.look(s)
}

func (c *Card) look(s Slot) (Contents, error) {
	out := Contents{Slot: s}
	fsys, err := bootpart.Open(c.parts.Boot)
	if err != nil {
		return out, err
	}
	line, err := fsys.ReadFile(s.Dir() + CommandLineFile)
	if errors.Is(err, fs.ErrNotExist) {
		out.Problem = "the slot is empty"
		return out, nil
	} else if err != nil {
		out.Problem = err.Error()
		return out, nil
	}
	out.Version = word(string(line), "hems_id")
	out.Problem = c.problem(fsys, s, string(line))
	return out, nil
}

func (c *Card) problem(fsys *bootpart.FS, s Slot, line string) string {
	if word(line, "hems_slot") != string(s) || !strings.HasSuffix(word(line, "root"), fmt.Sprintf("/PARTNROFF=%d", rootOffset(s))) {
		return "its command line is not this slot's"
	}
	for _, name := range []string{KernelFile, OverlaysReadme, ManifestFile} {
		if _, err := fsys.Stat(s.Dir() + name); err != nil {
			return err.Error()
		}
	}
	entries, err := fsys.ReadDir(string(s))
	if err != nil {
		return err.Error()
	}
	if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return isTree(e.Name()) }) {
		return "it has no device tree"
	}
	root := c.parts.Roots[s]
	if root == nil {
		return "its root partition is not there"
	}
	head := make([]byte, bootpart.SectorBytes)
	if _, err := root.ReadAt(head, 0); err != nil {
		return fmt.Sprintf("reading its root partition: %v", err)
	}
	if _, err := squashBytes(head); err != nil {
		return err.Error()
	}
	return ""
}

// maxManifest is the longest slot.json that is read, in bytes.
const maxManifest = 2 << 20

// Verify reads all of a slot and compares it with the manifest it was written
// with. The error says what is wrong and wraps ErrNotWhole.
func (c *Card) Verify(ctx context.Context, s Slot) (Manifest, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.verify(ctx, s)
}

func (c *Card) verify(ctx context.Context, s Slot) (Manifest, error) {
	m, err := c.check(ctx, s)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("checking slot %s: %w: %w", s, ErrNotWhole, err)
	}
	return m, err
}

func (c *Card) check(ctx context.Context, s Slot) (Manifest, error) {
	var m Manifest
	at, err := c.look(s)
	if err == nil && !at.Whole() {
		err = errors.New(at.Problem)
	}
	if err != nil {
		return m, err
	}
	fsys, err := bootpart.Open(checked{c.parts.Boot, ctx, func(int) {}})
	if err != nil {
		return m, err
	}
	fi, err := fsys.Stat(s.Dir() + ManifestFile)
	if err != nil {
		return m, err
	}
	if fi.Size() > maxManifest {
		return m, fmt.Errorf("its manifest has %d bytes", fi.Size())
	}
	text, err := fsys.ReadFile(s.Dir() + ManifestFile)
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return m, fmt.Errorf("reading the manifest: %w", err)
	}
	if m.Version != at.Version {
		return m, fmt.Errorf("its command line is of version %q, its manifest of %q", at.Version, m.Version)
	}
	if err := checkFiles(fsys, s, m); err != nil {
		return m, err
	}
	root := c.parts.Roots[s]
	if m.Root.Size <= 0 || m.Root.Size > root.Size() {
		return m, fmt.Errorf("its root is said to have %d bytes", m.Root.Size)
	}
	sum, err := digestOf(ctx, root, m.Root.Size, func(int) {})
	if err != nil {
		return m, err
	}
	if sum != m.Root {
		return m, errors.New("its root partition holds something else")
	}
	return m, nil
}

// checkFiles compares a slot's directory with its manifest: no file more, none
// less.
func checkFiles(fsys *bootpart.FS, s Slot, m Manifest) error {
	found := 0
	err := fs.WalkDir(fsys, string(s), func(name string, d fs.DirEntry, err error) error {
		name = strings.TrimPrefix(name, s.Dir())
		if err != nil || d.IsDir() || name == ManifestFile {
			return err
		}
		want, ok := m.Files[name]
		if !ok {
			return fmt.Errorf("%s is not in the manifest", name)
		}
		found++
		f, err := fsys.Open(s.Dir() + name)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		n, err := io.Copy(h, f)
		if err != nil {
			return err
		}
		if n != want.Size || hex.EncodeToString(h.Sum(nil)) != want.Sum {
			return fmt.Errorf("%s is not what was written", name)
		}
		return nil
	})
	if err == nil && found != len(m.Files) {
		err = fmt.Errorf("of %d files %d are there", len(m.Files), found)
	}
	return err
}

// digestOf reads the first size bytes of a device.
func digestOf(ctx context.Context, dev io.ReaderAt, size int64, count func(int)) (Digest, error) {
	h := sha256.New()
	buf := make([]byte, block)
	for off := int64(0); off < size; {
		if err := ctx.Err(); err != nil {
			return Digest{}, err
		}
		part := buf[:min(int64(len(buf)), size-off)]
		if n, err := dev.ReadAt(part, off); err != nil && n < len(part) {
			return Digest{}, fmt.Errorf("reading the root partition: %w", err)
		}
		h.Write(part)
		off += int64(len(part))
		count(len(part))
	}
	return Digest{size, hex.EncodeToString(h.Sum(nil))}, nil
}
