package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smartcore-ireland/hems/internal/boot/report"
	"github.com/smartcore-ireland/hems/internal/disk"
)

// permNumber is the partition of /perm.
const permNumber = 4

// maxDetail bounds what is told of it, in bytes.
const maxDetail = 16 << 10

// nodeWithin is how long a disk or a partition may take to turn up.
const nodeWithin = 10 * time.Second

// How the file system is mounted. The journal's commits are rare, for the card's
// sake: whoever acknowledges something has fsynced it.
const (
	permFlags   = unix.MS_NOATIME | unix.MS_NOSUID | unix.MS_NODEV
	permOptions = "errors=remount-ro,data=ordered,commit=30"
	// memoryOptions bound what the programs may take of the memory.
	memoryOptions = "size=25%,mode=0755"
)

// What the person is told.
const (
	saidRepaired  = "The memory card had faults, which were repaired at this start. If this is told again, make a backup and take a new card."
	saidErrors    = "The memory card has faults that could not be repaired: make a backup and take a new card."
	saidNoJournal = "The memory card had faults, and the next power cut may do harm: make a backup and take a new card."
	saidMemory    = "The memory card cannot be used any more: everything that is measured or changed now is lost at the next restart. Take a new card, put the appliance on it, and restore your last backup."
	saidSalvaged  = "The memory card cannot be written any more: the settings were read from it, but everything that is measured or changed now is lost at the next restart. Make a backup now, take a new card, put the appliance on it, and restore the backup."
)

// bringUpPerm leaves a file system at /perm that can be written, whatever
// happens: the card's, or one in memory.
func (b *start) bringUpPerm() (err error) {
	p := &b.hand.Report.Perm
	note := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		b.log.printf("/perm: %s", text)
		p.Detail = strings.TrimSpace(p.Detail + "\n" + text)
		p.Detail = p.Detail[:min(len(p.Detail), maxDetail)]
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v\n%s", r, debug.Stack())
			note("%v", err)
		}
		if p.State == "" {
			err = errors.Join(err, b.inMemory(note))
		}
	}()
	node, err := b.permNode()
	if err != nil {
		note("%v", err)
		return err
	}
	if _, err := b.disk.GrowPartition(); err != nil {
		note("%v", err)
	}
	state := report.OK
	see := func(v verdict, words string, err error) {
		switch {
		case err != nil:
			note("%v", err)
		case v == corrected:
			note("e2fsck: %s", words)
			state = report.Repaired
		case v != clean:
			note("e2fsck: %s", words)
			state = report.Errors
		default:
			b.log.printf("/perm: e2fsck: %s", words)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), fsckWithin)
	defer cancel()
	see(check(ctx, b.fsck, node))
	if err := b.mountPerm(node, note); err != nil {
		note("%v", err)
		// It was not looked at but for the journal, if nothing seemed wrong.
		see(check(ctx, b.fsck, node, "-f"))
		if err := b.mountPerm(node, note); err != nil {
			return err
		}
	}
	b.hand.Perm = b.disk.PartitionName(permNumber)
	p.State = state
	switch state {
	case report.Repaired:
		p.Message = saidRepaired
	case report.Errors:
		p.Message = saidErrors
	}
	if ok, err := disk.HasJournal(node); err == nil && !ok {
		note("the file system has no journal any more")
		p.State, p.Message = report.Errors, saidNoJournal
	}
	if p.Grown, err = disk.GrowFS(node, b.perm); err != nil {
		note("%v", err)
	} else if p.Grown {
		b.log.printf("/perm has grown to the card's size")
	}
	return nil
}

// permNode waits for the partition's device.
func (b *start) permNode() (string, error) {
	if b.disk == nil {
		return "", errors.New("the card was not found")
	}
	node := b.disk.Partition(permNumber)
	for deadline := time.Now().Add(nodeWithin); ; time.Sleep(50 * time.Millisecond) {
		_, err := os.Stat(node)
		if err == nil {
			return node, nil
		}
		if time.Now().After(deadline) {
			return "", fmt.Errorf("waiting for the partition: %w", err)
		}
	}
}

// mountPerm mounts the card's file system. One that refuses our options is better
// than none.
func (b *start) mountPerm(node string, note func(string, ...any)) error {
	err := b.mount(node, b.perm, "ext4", permFlags, permOptions)
	if err == nil {
		return nil
	}
	if plain := b.mount(node, b.perm, "ext4", unix.MS_NOSUID|unix.MS_NODEV, ""); plain != nil {
		return fmt.Errorf("mounting %s: %w", node, plain)
	}
	note("mounting %s with %s: %v: mounted without", node, permOptions, err)
	return nil
}

// inMemory mounts a file system in memory, and copies into it what can still be
// read of the card: with its settings the appliance stays what it was, and stays
// its owner's. The card's own file system is then kept from being mounted over
// it: gokrazy tries that next.
func (b *start) inMemory(note func(string, ...any)) error {
	p := &b.hand.Report.Perm
	p.State, p.Message = report.Memory, saidMemory
	if err := b.mount("tmpfs", b.perm, "tmpfs", permFlags, memoryOptions); err != nil {
		return fmt.Errorf("making /perm in memory: %w", err)
	}
	note("runs in memory")
	if b.disk == nil {
		return nil
	}
	node := b.disk.Partition(permNumber)
	if _, err := os.Stat(node); err != nil {
		return nil
	}
	b.hand.Hold = node
	const at = "/mnt"
	if err := b.mount(node, at, "ext4", permFlags|unix.MS_RDONLY, "noload"); err != nil {
		note("reading the card: %v", err)
		return nil
	}
	defer func() {
		if err := unix.Unmount(at, 0); err != nil {
			note("leaving the card: %v", err)
		}
	}()
	var room unix.Statfs_t
	if err := unix.Statfs(b.perm, &room); err != nil {
		return fmt.Errorf("measuring the memory: %w", err)
	}
	n, err := salvage(filepath.Join(at, dataDir), filepath.Join(b.perm, dataDir), int64(room.Blocks)*room.Bsize/2)
	if err != nil {
		note("reading the card: %v", err)
	}
	if n > 0 {
		p.Message = saidSalvaged
		note("%d files were read from the card", n)
	}
	return nil
}
