// Package release makes releases. It knows where a card's image has its parts
// and where the maker's keys lie, and must never know what an appliance does
// with a release, nor anything of a running one.
package release

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/disk"
	"github.com/smartcore-ireland/hems/internal/update/bootpart"
	"github.com/smartcore-ireland/hems/internal/update/bundle"
	"github.com/smartcore-ireland/hems/internal/update/sign"
)

// Release is one to be made of an image.
type Release struct {
	Image   string // the card's image, as "make image" builds it
	Keys    string // directory of the signing key and its certificate
	Output  string // the bundle; build/hems-<version>.hems beside the image, if empty
	Version string // that of the image's programs, if empty
	Notes   string // for people
	// Progress, if not nil, gets the bytes done and to do.
	Progress func(done, total int64)
}

// Made is a release that was made.
type Made struct {
	File     string
	Size     int64 // bytes
	Manifest bundle.Manifest
	SignedBy sign.Certificate
}

// Run makes the release: slot a and its root of the image, signed. The file
// appears only when it is whole and was verified as an appliance verifies it.
func (r Release) Run() (Made, error) {
	made, err := r.run()
	if err != nil {
		return Made{}, fmt.Errorf("making the release: %w", err)
	}
	return made, nil
}

func (r Release) run() (Made, error) {
	signer, err := readSigner(r.Keys)
	if err != nil {
		return Made{}, err
	}
	image, err := os.Open(r.Image)
	if errors.Is(err, fs.ErrNotExist) {
		return Made{}, fmt.Errorf("%w: build it with \"make image\"", err)
	} else if err != nil {
		return Made{}, err
	}
	defer image.Close()
	m, files, err := read(image)
	if err != nil {
		return Made{}, fmt.Errorf("reading %s: %w: build it again with \"make image\"", r.Image, err)
	}
	m.Version, m.Notes = strings.TrimPrefix(cmp.Or(r.Version, m.Version), "v"), r.Notes
	if !bundle.ValidVersion(m.Version) {
		return Made{}, fmt.Errorf("the version %q is not one such as 1.2.3: give one with -version, or build the image with VERSION=1.2.3", m.Version)
	}
	out := cmp.Or(r.Output, filepath.Join(filepath.Dir(r.Image), "hems-"+m.Version+bundle.Extension))
	part := out + ".part"
	defer os.Remove(part) // gone already when all went well
	size, err := write(part, m, files, signer, r.Progress)
	if err != nil {
		return Made{}, err
	}
	made, err := check(part, size, signer)
	if err != nil {
		return Made{}, err
	}
	made.File = out
	return made, os.Rename(part, out)
}

func write(part string, m bundle.Manifest, files []bundle.Source, signer bundle.Signer, progress func(done, total int64)) (int64, error) {
	f, err := os.Create(part)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := bundle.Write(f, m, files, signer, progress); err != nil {
		return 0, err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	return size, errors.Join(f.Sync(), f.Close())
}

// check verifies the bundle as an appliance would that trusts the maker.
func check(part string, size int64, signer bundle.Signer) (Made, error) {
	f, err := os.Open(part)
	if err != nil {
		return Made{}, err
	}
	defer f.Close()
	b, err := bundle.Open(f, size, bundle.Policy{Trust: sign.NewTrust(signer.Certificate.Root)})
	if err != nil {
		return Made{}, fmt.Errorf("what was made would be refused: %w", err)
	}
	return Made{Size: size, Manifest: b.Manifest(), SignedBy: b.SignedBy()}, nil
}

// The partitions of an image, by their place in the table.
const (
	partBoot = 0
	partRoot = 1 // slot a's
)

// read finds what a release has of an image, and which version it is.
func read(image io.ReaderAt) (m bundle.Manifest, files []bundle.Source, err error) {
	parts, err := disk.Partitions(image)
	if err == nil && len(parts) <= partRoot {
		err = fmt.Errorf("it has %d partitions", len(parts))
	}
	if err != nil {
		return m, nil, err
	}
	boot, root := parts[partBoot], parts[partRoot]
	files, m.Version, err = bootFiles(io.NewSectionReader(image, boot.Offset, boot.Size))
	if err != nil {
		return m, nil, err
	}
	file, built, err := rootFileSystem(io.NewSectionReader(image, root.Offset, root.Size))
	if err != nil {
		return m, nil, err
	}
	m.Board, m.Built = bundle.Board, built
	return m, append(files, file), nil
}

// The files of a slot that are the card's own: the next one makes its own.
var own = map[string]bool{"cmdline.txt": true, "slot.json": true}

// bootFiles are the files of slot a, and the version that its command line has.
func bootFiles(boot io.ReaderAt) ([]bundle.Source, string, error) {
	fsys, err := bootpart.Open(boot)
	if err != nil {
		return nil, "", err
	}
	slot, err := fs.Sub(fsys, string(bootpart.A))
	if err != nil {
		return nil, "", err
	}
	line, err := fs.ReadFile(slot, "cmdline.txt")
	if err != nil {
		return nil, "", fmt.Errorf("there is no system in slot a: %w", err)
	}
	var files []bundle.Source
	err = fs.WalkDir(slot, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || own[name] {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files = append(files, bundle.Source{Name: "boot/" + name, Size: info.Size(), Open: func() (io.ReadCloser, error) { return slot.Open(name) }})
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	for word := range strings.FieldsSeq(string(line)) {
		if version, ok := strings.CutPrefix(word, "hems_id="); ok {
			return files, version, nil
		}
	}
	return files, "", nil
}

// rootFileSystem is the SquashFS of a root partition, and when it was made: its
// superblock says both (squashfs_fs.h of Linux: magic, at 8 the time, at 40 the
// bytes used).
func rootFileSystem(root *io.SectionReader) (bundle.Source, time.Time, error) {
	var super [96]byte
	if _, err := root.ReadAt(super[:], 0); err != nil {
		return bundle.Source{}, time.Time{}, fmt.Errorf("the root file system: %w", err)
	}
	used := binary.LittleEndian.Uint64(super[40:])
	if string(super[:4]) != "hsqs" || used > uint64(root.Size()) || used < uint64(len(super)) {
		return bundle.Source{}, time.Time{}, errors.New("the root partition has no SquashFS")
	}
	built := time.Unix(int64(binary.LittleEndian.Uint32(super[8:])), 0)
	return bundle.Source{Name: "root.img", Size: int64(used), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(root, 0, int64(used))), nil
	}}, built, nil
}
