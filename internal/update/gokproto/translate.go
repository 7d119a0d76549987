package gokproto

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/smartcore-ireland/hems/internal/update/bootpart"
	"github.com/smartcore-ireland/hems/internal/update/refusal"
)

// ErrBootImage is the reason for a boot file system that gok did not make, or
// made for another board.
var ErrBootImage = refusal.New("boot_image", "the boot file system is not one of gok for the Raspberry Pi",
	"build it with this repository's config.json")

// Bounds of what is taken of a boot file system.
const (
	maxFiles  = 2000
	maxKernel = 128 << 20 // bytes, as gok packs it
	maxOther  = 1 << 20   // bytes of a device tree or an overlay
)

// readme must be in a slot's overlays for the firmware to look for overlays there
// at all.
const readme = "Overlays of this slot. The firmware looks here because this file is there.\n"

// Translate takes out of gok's boot file system, a FAT16, what belongs in a slot:
// the kernel, which it compresses to vmlinuz.gz, the device trees and the
// overlays. It drops the firmware, which the slots share, and everything that
// says where to boot from: that is the device's own.
func Translate(boot io.ReaderAt) ([]bootpart.File, error) {
	fsys, err := bootpart.Open(boot)
	if err != nil {
		return nil, ErrBootImage.With("%w", err)
	}
	files, err := translate(fsys)
	if err != nil {
		return nil, ErrBootImage.With("%w", err)
	}
	return files, nil
}

func translate(fsys fs.FS) ([]bootpart.File, error) {
	kernel, err := compress(fsys, "vmlinuz")
	if err != nil {
		return nil, err
	}
	files := []bootpart.File{kernel, {Name: "overlays/README", Data: []byte(readme)}}
	trees := false
	for _, dir := range []string{".", "overlays"} {
		entries, err := fs.ReadDir(fsys, dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without overlays
		} else if err != nil {
			return nil, err
		}
		for _, e := range entries {
			ext := strings.ToLower(path.Ext(e.Name()))
			if e.IsDir() || ext != ".dtb" && (dir == "." || ext != ".dtbo") {
				continue
			}
			info, err := e.Info()
			if err != nil {
				return nil, err
			}
			if info.Size() > maxOther {
				return nil, fmt.Errorf("%s has %d bytes", e.Name(), info.Size())
			}
			if len(files) == maxFiles {
				return nil, fmt.Errorf("it has more than %d files", maxFiles)
			}
			name := path.Join(dir, e.Name())
			b, err := fs.ReadFile(fsys, name)
			if err != nil {
				return nil, err
			}
			files = append(files, bootpart.File{Name: name, Data: b})
			trees = trees || dir == "."
		}
	}
	if !trees {
		return nil, errors.New("it has no device tree")
	}
	return files, nil
}

// compress reads the kernel into a gzip file, which the firmware takes as well,
// as two raw ones leave no room on the card. It is as quick as can be: this runs
// on the Pi while somebody waits.
func compress(fsys fs.FS, name string) (bootpart.File, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return bootpart.File{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return bootpart.File{}, err
	}
	if info.Size() == 0 || info.Size() > maxKernel {
		return bootpart.File{}, fmt.Errorf("the kernel has %d bytes", info.Size())
	}
	var out bytes.Buffer
	var magic [2]byte
	if _, err := io.ReadFull(f, magic[:]); err == nil && magic == [2]byte{0x1f, 0x8b} {
		out.Write(magic[:])
		_, err := io.Copy(&out, f) // it is one already
		return bootpart.File{Name: "vmlinuz.gz", Data: out.Bytes()}, err
	}
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return bootpart.File{}, err
	}
	if _, err := io.Copy(w, io.MultiReader(bytes.NewReader(magic[:min(2, info.Size())]), f)); err != nil {
		return bootpart.File{}, err
	}
	if err := w.Close(); err != nil {
		return bootpart.File{}, err
	}
	return bootpart.File{Name: "vmlinuz.gz", Data: out.Bytes()}, nil
}
