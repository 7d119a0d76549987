package image

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/smartcore-ireland/hems/image/firmware"
	"github.com/smartcore-ireland/hems/internal/update/bootpart"
	"github.com/smartcore-ireland/hems/internal/update/gokproto"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

// sharedFiles are the files of the Raspberry Pi's firmware that its boards need
// beside a slot: bootcode.bin for those without a loader of their own, start and
// fixup for all but the Raspberry Pi 5. The firmware package has four more
// variants of each, for cameras, debugging and little memory.
var sharedFiles = []string{"bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat"}

// makeSlots replaces the boot partition that gok made by one with two slots: a
// has the system, b is empty.
func makeSlots(ctx context.Context, disk, version string) error {
	err := replaceBoot(ctx, disk, version)
	if err != nil {
		return fmt.Errorf("making the slots: %w", err)
	}
	return nil
}

func replaceBoot(ctx context.Context, disk, version string) error {
	f, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	parts, err := partitionsOf(f)
	if err != nil {
		return err
	}
	boot := stretch{f, parts[partBoot]}
	gok, err := bootpart.Open(boot)
	if err != nil {
		return err
	}
	content, err := contentOf(gok, boot, version)
	if err != nil {
		return err
	}
	shared := make([]bootpart.File, len(sharedFiles))
	for i, name := range sharedFiles {
		b, err := gok.ReadFile(name)
		if err != nil {
			return fmt.Errorf("taking the firmware: %w", err)
		}
		shared[i] = bootpart.File{Name: name, Data: b}
	}
	root, err := rootDigest(stretch{f, parts[partRootA]})
	if err != nil {
		return err
	}
	files, err := slot.BootFiles(slot.A, content, root)
	if err != nil {
		return err
	}

	// Nothing of gok's is needed any more, and nothing of it stays between files.
	if err := clearStretch(boot); err != nil {
		return err
	}
	if err := bootpart.Format(boot, boot.size, bootpart.Options{
		HiddenSectors: uint32(boot.offset / bootpart.SectorBytes),
		Sectors:       slot.Sectors(slot.A),
	}); err != nil {
		return err
	}
	if err := bootpart.WriteShared(boot, shared); err != nil {
		return err
	}
	if err := bootpart.WriteSlot(boot, slot.A, files); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return checkSlots(ctx, f, parts)
}

// contentOf is what of gok's boot partition belongs in a slot, with the kernel
// packed as small as can be, and the number of the boot partition, which stays
// what gok made it.
func contentOf(gok *bootpart.FS, boot io.ReaderAt, version string) (slot.Content, error) {
	files, err := gokproto.Translate(boot)
	if err != nil {
		return slot.Content{}, err
	}
	kernel, err := gok.ReadFile("vmlinuz")
	if err != nil {
		return slot.Content{}, fmt.Errorf("taking the kernel: %w", err)
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(kernel)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return slot.Content{}, fmt.Errorf("packing the kernel: %w", err)
	}
	for i := range files {
		if files[i].Name == slot.KernelFile {
			files[i].Data = packed.Bytes()
		}
	}
	line, err := gok.ReadFile("cmdline.txt")
	if err != nil {
		return slot.Content{}, fmt.Errorf("finding the number of the boot partition: %w", err)
	}
	for w := range strings.FieldsSeq(string(line)) {
		if id, ok := strings.CutPrefix(w, "root=PARTUUID="); ok {
			id, _, _ = strings.Cut(id, "/")
			return slot.Content{Boot: files, PartUUID: id, Version: version}, nil
		}
	}
	return slot.Content{}, errors.New("finding the number of the boot partition: gok's command line has no root=PARTUUID=")
}

// rootDigest is the digest of the SquashFS in a root partition (its superblock has
// at 40 how long it is), up to a whole block of 4 KiB, to which it is padded.
func rootDigest(root stretch) (slot.Digest, error) {
	head := make([]byte, 96)
	if _, err := root.ReadAt(head, 0); err != nil {
		return slot.Digest{}, fmt.Errorf("reading the root: %w", err)
	}
	used := binary.LittleEndian.Uint64(head[40:])
	if !bytes.HasPrefix(head, []byte("hsqs")) || used == 0 || used > uint64(root.size) {
		return slot.Digest{}, errors.New("reading the root: it is no SquashFS")
	}
	size := int64(used+4095) / 4096 * 4096
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(root, 0, size)); err != nil {
		return slot.Digest{}, fmt.Errorf("reading the root: %w", err)
	}
	return slot.Digest{Size: size, Sum: hex.EncodeToString(h.Sum(nil))}, nil
}

// checkSlots reads everything back, as the appliance and as each board would.
func checkSlots(ctx context.Context, f *os.File, parts []partition) error {
	card, err := slot.New(slot.Parts{
		Boot: stretch{f, parts[partBoot]},
		Roots: map[slot.Slot]slot.Device{
			slot.A: stretch{f, parts[partRootA]},
			slot.B: stretch{f, parts[partRootB]},
		},
	}, slot.A)
	if err != nil {
		return err
	}
	if _, err := card.Verify(ctx, slot.A); err != nil {
		return err
	}
	files, err := bootpart.Open(stretch{f, parts[partBoot]})
	if err != nil {
		return err
	}
	for _, board := range firmware.Boards {
		for _, try := range []bool{false, true} { // an empty slot is never tried
			boot, err := firmware.Load(files, board, try)
			if err == nil {
				_, err = boot.Image()
			}
			if err == nil && (boot.Prefix != slot.A.Dir() || len(boot.Notes) > 0) {
				err = fmt.Errorf("it boots %q (%s)", boot.KernelFile, strings.Join(boot.Notes, "; "))
			}
			if err != nil {
				return fmt.Errorf("what a %s would do with it: %w", board.Name, err)
			}
		}
	}
	return nil
}

// clearStretch makes a partition zeros, which take no room in a file.
func clearStretch(p stretch) error {
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < p.size; at += int64(len(zeros)) {
		if _, err := p.WriteAt(zeros[:min(int64(len(zeros)), p.size-at)], at); err != nil {
			return err
		}
	}
	return nil
}

// A stretch is a partition of a disk as a device of its own.
type stretch struct {
	f *os.File
	partition
}

func (s stretch) Size() int64 { return s.size }
func (s stretch) Sync() error { return s.f.Sync() }

func (s stretch) ReadAt(b []byte, at int64) (int, error) {
	return io.NewSectionReader(s.f, s.offset, s.size).ReadAt(b, at)
}

func (s stretch) WriteAt(b []byte, at int64) (int, error) {
	if at < 0 || at+int64(len(b)) > s.size {
		return 0, io.ErrShortWrite
	}
	return s.f.WriteAt(b, s.offset+at)
}
