package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// What the file system of /perm is made with, because it is small in the image and
// grows to whatever card it is written to, while it is mounted.
var permOptions = []string{
	// Not this machine's defaults, which are others for a small file system and
	// may be others tomorrow.
	"-b", "4096", "-I", "256",
	"-O", "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum",
	// An inode for 128 KiB: 1792 of them as it is in the image, a quarter of a
	// million on 32 GB. There are few files, and all tables are written when it
	// grows.
	"-i", "131072",
	// A journal does not grow along. 32 MiB is what a file system of some GB has.
	"-J", "size=32",
	// Kept for root, so that the update and the repair of a full card find room.
	"-m", "2",
}

// permBlocks is how many blocks of 4 KiB /perm may grow to: those of 2 TB, the
// largest card there is (SDXC). Room for their descriptors is kept.
const permBlocks = 2e12 / 4096

// makePerm makes an empty file system for /perm in a disk.
func makePerm(ctx context.Context, disk string) error {
	parts, err := partitions(disk)
	if err != nil {
		return err
	}
	perm := parts[partPerm]
	args := append([]string{"-q", "-F", "-t", "ext4", "-L", "perm"}, permOptions...)
	args = append(args,
		// All tables are written now, not by the kernel of the first boot.
		"-E", fmt.Sprintf("offset=%d,root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,resize=%d", perm.offset, int64(permBlocks)),
		disk, fmt.Sprintf("%dk", perm.size/1024))
	if _, err = output(ctx, "mkfs.ext4", args...); err != nil {
		return fmt.Errorf("making the file system of /perm: %w", err)
	}
	return nil
}

// Seed writes the files below dir into /perm of a disk that is not in use: as
// root's, mode 0600, in directories of mode 0700, and reads them back. It is for
// one card, a virtual machine's or a person's: what is in the image is on every
// card.
func Seed(ctx context.Context, disk, dir string) error {
	err := seed(ctx, disk, dir)
	if err != nil {
		return fmt.Errorf("seeding /perm: %w", err)
	}
	return nil
}

// Seeded says whether /perm of a disk holds the files below dir.
func Seeded(ctx context.Context, disk, dir string) error {
	target, err := permTarget(disk)
	if err == nil {
		err = seeded(ctx, target, dir)
	}
	if err != nil {
		return fmt.Errorf("seeding /perm: %w", err)
	}
	return nil
}

// permTarget is /perm of a disk as the tools of e2fsprogs are told.
func permTarget(disk string) (string, error) {
	parts, err := partitions(disk)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s?offset=%d", disk, parts[partPerm].offset), nil
}

func seed(ctx context.Context, disk, dir string) error {
	target, err := permTarget(disk)
	if err != nil {
		return err
	}
	var script bytes.Buffer
	err = eachBelow(dir, func(name, to string, d fs.DirEntry) error {
		if strings.ContainsAny(name, " \t\n\"\\") {
			return fmt.Errorf("%q: debugfs takes no name with blanks, quotes or backslashes", name)
		}
		switch {
		case d.IsDir():
			fmt.Fprintf(&script, "mkdir %s\nsif %s mode 040700\n", to, to)
		case d.Type().IsRegular():
			fmt.Fprintf(&script, "write %s %s\nsif %s mode 0100600\nsif %s uid 0\nsif %s gid 0\n", name, to, to, to, to)
		default:
			return fmt.Errorf("%s is neither a file nor a directory", name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	commands, err := os.CreateTemp("", "hems-debugfs")
	if err != nil {
		return err
	}
	defer os.Remove(commands.Name())
	_, err = script.WriteTo(commands)
	if err := errors.Join(err, commands.Close()); err != nil {
		return err
	}
	if _, err := output(ctx, "debugfs", "-w", "-f", commands.Name(), target); err != nil {
		return err
	}
	// debugfs goes on after a command that failed, and still ends well.
	return seeded(ctx, target, dir)
}

func seeded(ctx context.Context, target, dir string) error {
	return eachBelow(dir, func(name, to string, d fs.DirEntry) error {
		if d.IsDir() {
			return nil
		}
		want, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		got, err := output(ctx, "debugfs", "-R", "cat "+to, target)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%s reads back differently: is the disk in use, or full?", to)
		}
		return nil
	})
}

// eachBelow visits what is below dir, with its path on the disk.
func eachBelow(dir string, visit func(name, to string, d fs.DirEntry) error) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		return visit(name, path.Join("/", filepath.ToSlash(rel)), d)
	})
}
