// Package zha reads what ZHA, Home Assistant's own Zigbee integration, and the
// library zigpy below it keep: a backup as ZHA lets people download it, one of
// zigpy's own, or the database zigbee.db, which has the devices too.
//
// It knows zigpy's files. It must never know what becomes of what is in them, and
// never writes to them.
package zha

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/smartcore-ireland/hems/internal/zigbee/coordbackup"
	"github.com/smartcore-ireland/hems/internal/zigbee/migrate"
)

// Limits on what is read, in bytes.
const (
	maxBackup   = 16 << 20
	maxDatabase = 512 << 20
)

// sqlite is how a database begins.
var sqlite = []byte("SQLite format 3\x00")

const adviceFile = "name the backup that ZHA lets you download (Settings, Zigbee, Network settings), or the zigbee.db of Home Assistant's configuration"

// Read reads the file. The error is a *migrate.Error.
func Read(path string) (*migrate.Import, error) {
	name := filepath.Base(path)
	wrong := func(err error, advice string) error {
		var own *migrate.Error
		if errors.As(err, &own) {
			return own
		}
		return &migrate.Error{File: name, Message: strings.TrimPrefix(err.Error(), "reading a coordinator backup: "), Advice: advice}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, wrong(fmt.Errorf("it cannot be read: %w", errors.Unwrap(err)), adviceFile)
	}
	defer f.Close()
	head := make([]byte, len(sqlite))
	if _, err := io.ReadFull(f, head); err == nil && bytes.Equal(head, sqlite) {
		out, err := readDatabase(path)
		if err != nil {
			return nil, wrong(err, "take the zigbee.db of a Home Assistant that was stopped, or the backup that ZHA lets you download")
		}
		return out, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, wrong(err, adviceFile)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxBackup+1))
	if err != nil {
		return nil, wrong(fmt.Errorf("it cannot be read: %w", err), adviceFile)
	}
	if len(b) > maxBackup {
		return nil, wrong(fmt.Errorf("it has more than %d MB", maxBackup>>20), adviceFile)
	}
	backup, err := coordbackup.Parse(b)
	if err != nil {
		return nil, wrong(err, adviceFile)
	}
	out := &migrate.Import{Source: "ZHA", Backup: backup}
	out.Notes = append(out.Notes, fmt.Sprintf("the backup is of the network alone: its %d devices are asked what they are when they next speak; zigbee.db has that too", len(backup.Devices)))
	common(out)
	return out, nil
}

// common is what all of ZHA's files have in common.
func common(out *migrate.Import) {
	out.Leave("the names of devices", "ZHA keeps them with Home Assistant, not in this file: name the devices here")
	if out.Backup.LinkKeySeed.IsZero() {
		out.Notes = append(out.Notes, "the network is of another kind of dongle than EmberZNet's: put one of those in, without a network of its own; the link keys of single devices go with it")
	}
}
