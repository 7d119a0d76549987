// Package zigbee2mqtt reads a data directory of Zigbee2MQTT, versions 1 and 2:
// configuration.yaml with the files it names, database.db, coordinator_backup.json
// and state.json. Of what contradicts itself nothing is made.
//
// It knows Zigbee2MQTT's files. It must never know what becomes of what is in
// them, and never writes to them.
package zigbee2mqtt

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"strings"

	"github.com/smartcore-ireland/hems/internal/zigbee/coordbackup"
	"github.com/smartcore-ireland/hems/internal/zigbee/migrate"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// The files.
const (
	configFile   = "configuration.yaml"
	databaseFile = "database.db"
	stateFile    = "state.json"
)

// maxFile bounds what is read of one file, in bytes.
const maxFile = 32 << 20

// unknownCounter is the frame counter of a network whose coordinator was not
// backed up: no network of a home comes near it, and devices take any that is
// higher than the last they saw.
const unknownCounter = 1 << 30

// Read reads the directory. The error is a *migrate.Error.
func Read(dir string) (*migrate.Import, error) {
	fi, err := os.Stat(dir)
	switch {
	case err != nil:
		return nil, &migrate.Error{Message: fmt.Sprintf("%s cannot be read: %v", dir, errors.Unwrap(err)), Advice: "name the directory with Zigbee2MQTT's configuration.yaml"}
	case !fi.IsDir():
		return nil, &migrate.Error{Message: dir + " is no directory", Advice: "name the directory with Zigbee2MQTT's configuration.yaml"}
	}
	cfg, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	db, err := readDatabase(dir)
	if err != nil {
		return nil, err
	}
	out := &migrate.Import{Source: "Zigbee2MQTT", Devices: db.devices}
	if out.Backup, err = readBackup(dir, cfg, db, out); err != nil {
		return nil, err
	}
	out.Left = append(out.Left, db.left...)
	if err := cfg.apply(out, db); err != nil {
		return nil, err
	}
	readStates(dir, out, db)
	return out, nil
}

// read reads a file of the directory, which must be there unless optional.
func read(dir, name string, optional bool) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		if optional {
			return nil, nil
		}
		return nil, &migrate.Error{File: name, Message: "it is missing", Advice: "name the data directory of a Zigbee2MQTT that has run: it has configuration.yaml and database.db in it"}
	}
	var b []byte
	if err == nil {
		defer f.Close()
		b, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	}
	if err != nil {
		return nil, &migrate.Error{File: name, Message: fmt.Sprintf("it cannot be read: %v", err), Advice: "check who may read it"}
	}
	if len(b) > maxFile {
		return nil, &migrate.Error{File: name, Message: fmt.Sprintf("it has more than %d MB", maxFile>>20), Advice: "is it Zigbee2MQTT's?"}
	}
	return b, nil
}

// again is what helps where the files are of different times.
const again = "start Zigbee2MQTT once more with its dongle, stop it, and import again: it then writes both anew"

// readBackup reads the coordinator's backup and holds it against the other
// files. Without one the network is as the configuration has it.
func readBackup(dir string, cfg *config, db *database, out *migrate.Import) (*coordbackup.Backup, error) {
	const name = coordbackup.Name
	text, err := read(dir, name, true)
	if err != nil {
		return nil, err
	}
	if text == nil {
		out.Notes = append(out.Notes, "there is no "+name+": keep the dongle that the network is on; onto another one, devices that use a link key of their own have to be paired again")
		extended := cfg.extendedPANID
		if adapter, _ := section(cfg.all, "serial")["adapter"].(string); adapter != "zstack" {
			extended = bits.ReverseBytes64(extended) // the list is in the order of the wire
		}
		b := &coordbackup.Backup{
			Source: "zigbee2mqtt", Coordinator: db.coordinator, PANID: cfg.panID, ExtendedPANID: extended,
			Channel: cfg.channel, SecurityLevel: 5, NetworkKey: cfg.networkKey, FrameCounter: unknownCounter,
		}
		if err := b.Check(); err != nil {
			return nil, &migrate.Error{File: configFile, Message: err.Error(), Advice: "correct it under advanced, as the running Zigbee2MQTT has it"}
		}
		return b, nil
	}
	b, err := coordbackup.Parse(text)
	if err != nil {
		return nil, &migrate.Error{File: name, Message: strings.TrimPrefix(err.Error(), "reading a coordinator backup: "), Advice: "start Zigbee2MQTT once, which writes it anew, or move it aside to import without it"}
	}
	if b.Coordinator != db.coordinator {
		b.ReverseAddresses() // some versions write them so
	}
	if b.Coordinator != db.coordinator {
		b.ReverseAddresses()
		return nil, &migrate.Error{File: name, Message: fmt.Sprintf("it is of the coordinator %v, but %s is of %v", b.Coordinator, databaseFile, db.coordinator), Advice: again}
	}
	switch {
	case b.NetworkKey != cfg.networkKey:
		return nil, &migrate.Error{File: name, Message: "its network key is not the one in " + configFile, Advice: again + "; if it then says that the network was formed anew, restore " + configFile + " from before"}
	case b.PANID != cfg.panID:
		return nil, &migrate.Error{File: name, Message: fmt.Sprintf("its PAN id is 0x%04x, in %s it is 0x%04x", b.PANID, configFile, cfg.panID), Advice: again}
	case b.ExtendedPANID != cfg.extendedPANID && b.ExtendedPANID != bits.ReverseBytes64(cfg.extendedPANID):
		return nil, &migrate.Error{File: name, Message: fmt.Sprintf("its extended PAN id is 0x%016x, in %s it is 0x%016x", b.ExtendedPANID, configFile, cfg.extendedPANID), Advice: again}
	case b.Channel != cfg.channel:
		return nil, &migrate.Error{File: name, Message: fmt.Sprintf("its channel is %d, in %s it is %d", b.Channel, configFile, cfg.channel), Advice: again}
	}
	if b.LinkKeySeed.IsZero() {
		out.Notes = append(out.Notes, "the network is of another kind of dongle than EmberZNet's: put one of those in, without a network of its own; the link keys of single devices go with it")
	}
	return b, nil
}

// eui64 reads an address as Zigbee2MQTT writes it.
func eui64(s string) (zcl.EUI64, error) {
	e, err := zcl.ParseEUI64(s)
	if err == nil && (e == zcl.EUI64None || e == zcl.EUI64Any) {
		err = fmt.Errorf("%v is nobody's address", e)
	}
	return e, err
}
