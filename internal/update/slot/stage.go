package slot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/smartcore-ireland/hems/internal/update/bootpart"
)

// block is how much of a root partition is written or read at once, in bytes.
const block = 1 << 20

// Progress is told how many of all bytes are done; writing and reading back both
// count.
type Progress func(done, total int64)

// Stage writes a system into the slot that is not running, and reads all of it
// back. When it returns nil the slot may be armed by this process. Before the
// first byte it notes that the slot is no longer good, so whatever interrupts it
// leaves the running slot the only one that is ever booted.
func (c *Card) Stage(ctx context.Context, to Slot, content Content, progress Progress) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if progress == nil {
		progress = func(int64, int64) {}
	}
	if err := c.stage(ctx, to, content, progress); err != nil {
		return fmt.Errorf("writing version %s into slot %s: %w", content.Version, to, err)
	}
	return nil
}

func (c *Card) stage(ctx context.Context, to Slot, content Content, progress Progress) error {
	status, err := c.status()
	if err != nil {
		return err
	}
	if err := c.mayWrite(status, to); err != nil {
		return err
	}
	root := c.parts.Roots[to]
	if root == nil {
		return errors.New("its root partition is not there")
	}
	// All that can be known to be wrong is, before anything is given up: a
	// manifest with another digest has the same length.
	placeholder, err := BootFiles(to, content, Digest{content.RootSize, hex.EncodeToString(make([]byte, sha256.Size))})
	if err != nil {
		return err
	}
	if err := bootpart.Fits(c.parts.Boot, to, placeholder); err != nil {
		return err
	}
	if have := root.Size() / bootpart.SectorBytes * bootpart.SectorBytes; content.RootSize > have {
		return fmt.Errorf("%w: the root has %d MiB, its partition %d MiB", bootpart.ErrTooLarge, content.RootSize>>20, have>>20)
	}
	first := make([]byte, min(block, content.RootSize))
	if _, err := io.ReadFull(content.Root, first); err != nil {
		return fmt.Errorf("reading the new root: %w", err)
	}
	if used, err := squashBytes(first); err != nil {
		return err
	} else if used > content.RootSize {
		return fmt.Errorf("the root is cut short: it has %d bytes of %d", content.RootSize, used)
	}

	if err := c.giveUp(status, to); err != nil {
		return err
	}

	total := 2 * content.RootSize
	for _, f := range placeholder {
		total += 2 * int64(len(f.Data))
	}
	var done int64
	count := func(n int) {
		done = min(done+int64(n), total) // directories and FAT come on top
		progress(done, total)
	}
	digest, err := writeRoot(checked{root, ctx, count}, content, first)
	if err != nil {
		return err
	}
	files, err := BootFiles(to, content, digest)
	if err != nil {
		return err
	}
	if err := bootpart.WriteSlot(checked{c.parts.Boot, ctx, count}, to, files); err != nil {
		return err
	}
	if err := c.parts.Boot.Sync(); err != nil {
		return fmt.Errorf("writing the boot partition to the disk: %w", err)
	}

	got, err := digestOf(ctx, root, content.RootSize, count)
	if err == nil && got != digest {
		err = fmt.Errorf("the root partition: %w", ErrDiffers)
	}
	if err != nil {
		return fmt.Errorf("reading back: %w", err)
	}
	if err := bootpart.CompareSlot(checked{c.parts.Boot, ctx, count}, to, files); err != nil {
		if ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", ErrDiffers, err)
		}
		return err
	}
	progress(total, total)
	c.staged = to
	return nil
}

// giveUp notes on the disk that a slot is about to be overwritten: it is not good,
// and no restart tries it.
func (c *Card) giveUp(status Status, to Slot) error {
	c.staged = ""
	if err := c.writeSector(bootpart.TryFile, ConfigText(status.Committed)); err != nil {
		return err
	}
	l := status.Ledger
	l.Good = ""
	if l.Returned == to {
		l.Returned = ""
	}
	return c.writeLedger(l)
}

// writeRoot writes the root partition and returns when it is on the disk.
func writeRoot(dev Device, content Content, first []byte) (Digest, error) {
	h := sha256.New()
	buf := make([]byte, block+bootpart.SectorBytes)
	part := buf[:copy(buf, first)]
	for off := int64(0); ; {
		h.Write(part)
		padded := buf[:(len(part)+bootpart.SectorBytes-1)/bootpart.SectorBytes*bootpart.SectorBytes]
		clear(padded[len(part):])
		if _, err := dev.WriteAt(padded, off); err != nil {
			return Digest{}, fmt.Errorf("writing the root partition: %w", err)
		}
		if off += int64(len(part)); off == content.RootSize {
			break
		}
		part = buf[:min(block, content.RootSize-off)]
		if _, err := io.ReadFull(content.Root, part); err != nil {
			return Digest{}, fmt.Errorf("reading the new root: %w", err)
		}
	}
	if n, err := content.Root.Read(buf[:1]); n > 0 || err != nil && !errors.Is(err, io.EOF) {
		return Digest{}, fmt.Errorf("the new root does not end where it should: %w", errOr(err))
	}
	if err := dev.Sync(); err != nil {
		return Digest{}, fmt.Errorf("writing the root partition to the disk: %w", err)
	}
	return Digest{content.RootSize, hex.EncodeToString(h.Sum(nil))}, nil
}

func errOr(err error) error {
	if err != nil {
		return err
	}
	return errors.New("there is more")
}
