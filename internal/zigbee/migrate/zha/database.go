package zha

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/smartcore-ireland/hems/internal/zigbee/bridge"
	"github.com/smartcore-ireland/hems/internal/zigbee/coordbackup"
	"github.com/smartcore-ireland/hems/internal/zigbee/migrate"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Versions of the database's tables that are known: each has its own, "devices_v13"
// and so on, and keeps those before it.
const (
	oldest = 4
	// oneClusterTable is the version from which clusters of both directions stand in
	// one table.
	oneClusterTable = 14
)

// maxRows bounds what is read of one table.
const maxRows = 100_000

// readDatabase reads a copy of zigbee.db, so that nothing of it is changed.
func readDatabase(path string) (*migrate.Import, error) {
	dir, err := os.MkdirTemp("", "hems-zha-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	at := filepath.Join(dir, "zigbee.db")
	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(path+suffix, at+suffix); err != nil && (suffix == "" || !errors.Is(err, os.ErrNotExist)) {
			return nil, fmt.Errorf("it cannot be read: %w", err)
		}
	}
	db, err := sql.Open("sqlite", "file:"+at)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	r := reader{db: db}
	out, err := r.read()
	if err != nil {
		return nil, err
	}
	common(out)
	return out, nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(in, maxDatabase+1))
	if err == nil && n > maxDatabase {
		err = fmt.Errorf("it has more than %d MB", maxDatabase>>20)
	}
	return errors.Join(err, out.Close())
}

// reader reads the tables of one version.
type reader struct {
	db      *sql.DB
	version int
}

// each calls row for each row of a query, in which %v stands for the version. A
// table that is not there has no rows.
func (r *reader) each(query string, dest []any, row func() error) error {
	rows, err := r.db.Query(strings.ReplaceAll(query, "%v", "_v"+strconv.Itoa(r.version)))
	if err != nil {
		if strings.Contains(err.Error(), "no such table") {
			return nil
		}
		return fmt.Errorf("it is damaged: %w", err)
	}
	defer rows.Close()
	for n := 0; rows.Next(); n++ {
		if n >= maxRows {
			return fmt.Errorf("a table has more than %d rows", maxRows)
		}
		if err := rows.Scan(dest...); err != nil {
			return fmt.Errorf("a row makes no sense: %w", err)
		}
		if err := row(); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("it is damaged: %w", err)
	}
	return nil
}

// findVersion finds the newest tables.
func (r *reader) findVersion() error {
	var name string
	err := r.each(`SELECT name FROM sqlite_master WHERE type='table' AND name LIKE 'devices\_v%' ESCAPE '\'`, []any{&name}, func() error {
		if n, err := strconv.Atoi(strings.TrimPrefix(name, "devices_v")); err == nil {
			r.version = max(r.version, n)
		}
		return nil
	})
	if err == nil && r.version < oldest {
		err = errors.New("it is no database of zigpy, or of one that is too old")
	}
	return err
}

func (r *reader) read() (*migrate.Import, error) {
	if err := r.findVersion(); err != nil {
		return nil, err
	}
	out := &migrate.Import{Source: "ZHA"}
	var text string
	if err := r.each(`SELECT backup_json FROM network_backups%v ORDER BY id DESC LIMIT 1`, []any{&text}, func() (err error) {
		out.Backup, err = coordbackup.Parse([]byte(text))
		return err
	}); err != nil {
		return nil, err
	}
	if out.Backup == nil {
		return nil, errors.New("there is no backup of the network in it")
	}
	devices, err := r.devices(out)
	if err != nil {
		return nil, err
	}
	for _, e := range devices.order {
		out.Devices = append(out.Devices, devices.of[e].done())
	}
	return out, r.groups(out, devices)
}

// found are devices as they are put together, in the order of the database.
type found struct {
	order []zcl.EUI64
	of    map[zcl.EUI64]*device
}

type device struct {
	network.ImportedDevice
	complete bool // zigpy knows its endpoints
}

func (d *device) done() network.ImportedDevice {
	if d.complete && len(d.Endpoints) > 0 && d.ModelID != "" {
		d.Interview = network.InterviewSuccessful
	}
	return d.ImportedDevice
}

// address reads "00:15:bc:00:3f:00:00:01".
func address(s string) (zcl.EUI64, error) {
	e, err := zcl.ParseEUI64("0x" + strings.ReplaceAll(s, ":", ""))
	if err == nil && (e == zcl.EUI64None || e == zcl.EUI64Any) {
		err = fmt.Errorf("%v is nobody's address", e)
	}
	return e, err
}

func (r *reader) devices(out *migrate.Import) (*found, error) {
	f := &found{of: make(map[zcl.EUI64]*device)}
	var ieee string
	var node, status int64
	var seen any
	err := r.each(`SELECT ieee, nwk, status, last_seen FROM devices%v ORDER BY rowid`, []any{&ieee, &node, &status, &seen}, func() error {
		e, err := address(ieee)
		switch {
		case err != nil:
			return err
		case f.of[e] != nil:
			return fmt.Errorf("device %v is there twice", e)
		case e == out.Backup.Coordinator:
			if node != 0 {
				return fmt.Errorf("device %v is the coordinator of the network's backup", e)
			}
			return nil
		case node == 0:
			return fmt.Errorf("the coordinator is %v, in the network's backup it is %v", e, out.Backup.Coordinator)
		}
		const endpointsKnown = 2 // zigpy's Status.ENDPOINTS_INIT
		d := &device{complete: status == endpointsKnown}
		d.EUI64, d.Type, d.Interview = e, network.TypeUnknown, network.InterviewPending
		if node > 0 && node < 0xFFF8 {
			d.NodeID = uint16(node)
		}
		if s, ok := seen.(float64); ok && s > 0 && s < 253402300799 { // the year 9999
			d.LastSeen = time.UnixMilli(int64(s * 1000)).UTC()
		}
		f.of[e] = d
		f.order = append(f.order, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, fill := range []func(*found) error{r.descriptors, r.endpoints, r.clusters, r.attributes} {
		if err := fill(f); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// descriptors tell routers from end devices.
func (r *reader) descriptors(f *found) error {
	var ieee string
	var kind, capability, code int64
	return r.each(`SELECT ieee, logical_type, mac_capability_flags, manufacturer_code FROM node_descriptors%v`, []any{&ieee, &kind, &capability, &code}, func() error {
		d, err := f.device(ieee)
		if d == nil {
			return err
		}
		const rxOnWhenIdle = 0x08
		switch kind {
		case 1:
			d.Type = network.TypeRouter
		case 2:
			d.Type, d.Sleepy = network.TypeEndDevice, capability&rxOnWhenIdle == 0
		}
		if code >= 0 && code <= 0xFFFF {
			d.ManufacturerCode = uint16(code)
		}
		return nil
	})
}

// device finds a device of the database; nil without an error is one that was
// removed meanwhile, or the coordinator.
func (f *found) device(ieee string) (*device, error) {
	e, err := address(ieee)
	if err != nil {
		return nil, err
	}
	return f.of[e], nil
}

func (r *reader) endpoints(f *found) error {
	var ieee string
	var id, profile, kind int64
	return r.each(`SELECT ieee, endpoint_id, profile_id, device_type FROM endpoints%v ORDER BY ieee, endpoint_id`, []any{&ieee, &id, &profile, &kind}, func() error {
		d, err := f.device(ieee)
		if d == nil || id < 1 || id > 254 {
			return err
		}
		d.Endpoints = append(d.Endpoints, network.Endpoint{ID: uint8(id), Profile: uint16(profile), DeviceID: uint16(kind)})
		return nil
	})
}

func (r *reader) clusters(f *found) error {
	var ieee string
	var id, cluster, out int64
	add := func() error {
		d, err := f.device(ieee)
		if d == nil || cluster < 0 || cluster > 0xFFFF {
			return err
		}
		for i := range d.Endpoints {
			e := &d.Endpoints[i]
			switch {
			case int64(e.ID) != id:
			case out != 0:
				e.Out = append(e.Out, uint16(cluster))
			default:
				e.In = append(e.In, uint16(cluster))
			}
		}
		return nil
	}
	queries := []string{
		`SELECT ieee, endpoint_id, cluster, 0 FROM in_clusters%v ORDER BY ieee, endpoint_id, cluster`,
		`SELECT ieee, endpoint_id, cluster, 1 FROM out_clusters%v ORDER BY ieee, endpoint_id, cluster`,
	}
	if r.version >= oneClusterTable {
		queries = []string{`SELECT ieee, endpoint_id, cluster_id, cluster_type FROM clusters%v ORDER BY ieee, endpoint_id, cluster_id`}
	}
	for _, q := range queries {
		if err := r.each(q, []any{&ieee, &id, &cluster, &out}, add); err != nil {
			return err
		}
	}
	return nil
}

// attributes of the Basic cluster say what a device is.
func (r *reader) attributes(f *found) error {
	query := `SELECT ieee, attrid, value FROM attributes_cache%v WHERE cluster = 0 ORDER BY endpoint_id`
	switch {
	case r.version >= oneClusterTable:
		query = `SELECT ieee, attr_id, value FROM attributes_cache%v WHERE cluster_id = 0 AND cluster_type = 0 AND manufacturer_code IS NULL ORDER BY endpoint_id`
	case r.version < 7:
		query = `SELECT ieee, attrid, value FROM attributes%v WHERE cluster = 0 ORDER BY endpoint_id`
	}
	var ieee string
	var id int64
	var value any
	return r.each(query, []any{&ieee, &id, &value}, func() error {
		d, err := f.device(ieee)
		if d == nil {
			return err
		}
		text := func(to *string) {
			s, ok := value.(string)
			if b, isBytes := value.([]byte); isBytes {
				s, ok = string(b), true
			}
			if ok && *to == "" { // that of the first endpoint
				*to = strings.TrimRight(s, "\x00 ")
			}
		}
		number := func(to **uint8) {
			if n, ok := value.(int64); ok && n >= 0 && n <= 255 && *to == nil {
				u := uint8(n)
				*to = &u
			}
		}
		switch id {
		case 0x0000:
			number(&d.ZCLVersion)
		case 0x0001:
			number(&d.AppVersion)
		case 0x0002:
			number(&d.StackVersion)
		case 0x0003:
			if n, ok := value.(int64); ok && n >= 0 && n <= 255 && d.HWVersion == nil {
				version := uint16(n)
				d.HWVersion = &version
			}
		case 0x0004:
			text(&d.ManufacturerName)
		case 0x0005:
			text(&d.ModelID)
		case 0x0006:
			text(&d.DateCode)
		case 0x0007:
			if n, ok := value.(int64); ok && n >= 0 && n <= 255 {
				d.PowerSource = uint8(n)
			}
		case 0x4000:
			text(&d.SWBuildID)
		}
		return nil
	})
}

func (r *reader) groups(out *migrate.Import, f *found) error {
	out.Groups = make(map[uint16]bridge.ImportedGroup)
	var id, endpoint int64
	var name, ieee string
	err := r.each(`SELECT group_id, name FROM groups%v`, []any{&id, &name}, func() error {
		if id < 1 || id > 0xFFF7 {
			out.Leave(fmt.Sprintf("group %d", id), "there cannot be one of this number")
			return nil
		}
		if name == "" || bridge.CheckName(name) != nil {
			name = strconv.FormatInt(id, 10)
		}
		out.Groups[uint16(id)] = bridge.ImportedGroup{Name: name}
		return nil
	})
	if err != nil {
		return err
	}
	return r.each(`SELECT group_id, ieee, endpoint_id FROM group_members%v ORDER BY group_id, ieee, endpoint_id`, []any{&id, &ieee, &endpoint}, func() error {
		d, err := f.device(ieee)
		g, ok := out.Groups[uint16(id)]
		if d == nil || !ok || id > 0xFFF7 || endpoint < 1 || endpoint > 254 { // the coordinator is a member of some
			return err
		}
		g.Members = append(g.Members, bridge.ImportedMember{EUI64: d.EUI64, Endpoint: uint8(endpoint)})
		out.Groups[uint16(id)] = g
		return nil
	})
}
