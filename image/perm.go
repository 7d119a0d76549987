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

// makePerm makes an empty file system for /perm in a disk.
func makePerm(ctx context.Context, disk string) error {
	parts, err := partitions(disk)
	if err != nil {
		return err
	}
	perm := parts[partPerm]
	// All tables are written now, not by the kernel of the first boot.
	_, err = output(ctx, "mkfs.ext4", "-q", "-F", "-L", "perm",
		"-E", fmt.Sprintf("offset=%d,root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0", perm.offset),
		disk, fmt.Sprintf("%dk", perm.size/1024))
	if err != nil {
		return fmt.Errorf("making the file system of /perm: %w", err)
	}
	return nil
}

// Seed writes the files below dir into /perm of a disk that is not in use: as
// root's, mode 0600, in directories of mode 0700. It is for the disks of virtual
// machines: what is in the image is on every card.
func Seed(ctx context.Context, disk, dir string) error {
	err := seed(ctx, disk, dir)
	if err != nil {
		return fmt.Errorf("seeding /perm: %w", err)
	}
	return nil
}

func seed(ctx context.Context, disk, dir string) error {
	parts, err := partitions(disk)
	if err != nil {
		return err
	}
	target := fmt.Sprintf("%s?offset=%d", disk, parts[partPerm].offset)
	var script bytes.Buffer
	files := map[string]string{} // source by path on the disk
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		to := path.Join("/", filepath.ToSlash(rel))
		if strings.ContainsAny(name, " \t\n\"\\") {
			return fmt.Errorf("%q: debugfs takes no name with blanks, quotes or backslashes", name)
		}
		switch {
		case d.IsDir():
			fmt.Fprintf(&script, "mkdir %s\nsif %s mode 040700\n", to, to)
		case d.Type().IsRegular():
			files[to] = name
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
	for to, name := range files {
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
	}
	return nil
}
