// Package image makes the SD card's image and boots it in a virtual machine. It
// knows the partitions, the file system under /perm, how gok is called, and
// QEMU's command line. It must never know what the appliance's processes do, nor
// what their files hold.
//
// The card has gokrazy's partitions, under a GPT: a boot partition with two slots
// (FAT: firmware, and in each slot a kernel, device trees and a command line),
// two root partitions (SquashFS, one of each slot), and /perm (ext4), which alone
// is written by the running appliance but for an update. The image has a system in
// slot a; slot b is empty. Nothing in it is secret or a password: whatever must
// be, the first boot makes.
//
// Everything is done on ordinary files by an ordinary user: no loop device, no
// mount.
package image

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/smartcore-ireland/hems/internal/update/bootpart"
)

// The partitions of the card, by their place in the table.
const (
	partBoot  = 0
	partRootA = 1
	partRootB = 2
	partPerm  = 3
)

// packages names the Debian package of each tool.
var packages = map[string]string{
	"mkfs.ext4":           "e2fsprogs",
	"debugfs":             "e2fsprogs",
	"e2fsck":              "e2fsprogs",
	"apt-get":             "apt",
	"dpkg-deb":            "dpkg",
	"qemu-system-aarch64": "qemu-system-arm",
}

// tool finds a program. Debian keeps those for file systems where an ordinary
// user's PATH does not lead.
func tool(name string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("finding %s: it is not installed: install the package %s", name, packages[name])
}

// output runs a tool and returns what it printed. The error has the tool's own
// words.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	path, err := tool(name)
	if err != nil {
		return nil, err
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// bootFS is the boot partition of a disk: gok's or the appliance's own.
func bootFS(disk *os.File) (*bootpart.FS, error) {
	parts, err := partitionsOf(disk)
	if err != nil {
		return nil, err
	}
	files, err := bootpart.Open(stretch{disk, parts[partBoot]})
	if err != nil {
		return nil, fmt.Errorf("reading the boot partition of %s: %w", disk.Name(), err)
	}
	return files, nil
}
