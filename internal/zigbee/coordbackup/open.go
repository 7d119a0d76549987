package coordbackup

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Name is what the file is called beside Zigbee2MQTT's.
const Name = "coordinator_backup.json"

// Format and version of the open coordinator backup format.
const (
	format  = "zigpy/open-coordinator-backup"
	version = 1
)

// maxSize bounds what is read, in bytes.
const maxSize = 16 << 20

// document is the file. Sequences of bytes are hexadecimal, most significant
// first.
type document struct {
	Metadata struct {
		Format   string          `json:"format"`
		Version  json.Number     `json:"version"`
		Source   string          `json:"source"`
		Internal json.RawMessage `json:"internal,omitempty"`
	} `json:"metadata"`
	StackSpecific *stackSpecific  `json:"stack_specific,omitempty"`
	Coordinator   string          `json:"coordinator_ieee"`
	PANID         string          `json:"pan_id"`
	ExtendedPANID string          `json:"extended_pan_id"`
	UpdateID      uint8           `json:"nwk_update_id"`
	SecurityLevel uint8           `json:"security_level"`
	Channel       uint8           `json:"channel"`
	Channels      []int           `json:"channel_mask"`
	NetworkKey    documentKey     `json:"network_key"`
	Devices       []documentEntry `json:"devices"`
}

type documentKey struct {
	Key          string `json:"key"`
	Sequence     uint8  `json:"sequence_number"`
	FrameCounter uint32 `json:"frame_counter"`
}

type documentEntry struct {
	NodeID  *string      `json:"nwk_address"`
	EUI64   string       `json:"ieee_address"`
	IsChild bool         `json:"is_child"`
	LinkKey *documentLnk `json:"link_key,omitempty"`
}

type documentLnk struct {
	Key string `json:"key"`
	Rx  uint32 `json:"rx_counter"`
	Tx  uint32 `json:"tx_counter"`
}

type stackSpecific struct {
	EZSP   *ezspSpecific   `json:"ezsp,omitempty"`
	ZStack *zstackSpecific `json:"zstack,omitempty"`
}

type ezspSpecific struct {
	HashedTCLK string `json:"hashed_tclk,omitempty"`
}

type zstackSpecific struct {
	Seed string `json:"tclk_seed,omitempty"`
}

// internal is what programs add of their own.
type internal struct {
	Date         string `json:"date,omitempty"`          // zigbee-herdsman
	EZSPVersion  uint8  `json:"ezspVersion,omitempty"`   // zigbee-herdsman
	CreationTime string `json:"creation_time,omitempty"` // zigpy
}

// Parse reads a backup in one of the forms that there are and checks it. Errors
// never show a key.
func Parse(b []byte) (*Backup, error) {
	if len(b) > maxSize {
		return nil, fmt.Errorf("reading a coordinator backup: it has more than %d MB", maxSize>>20)
	}
	var form struct {
		Metadata    json.RawMessage `json:"metadata"`
		NetworkInfo json.RawMessage `json:"network_info"`
		AdapterType json.RawMessage `json:"adapterType"`
	}
	if err := json.Unmarshal(b, &form); err != nil {
		return nil, errors.New("reading a coordinator backup: it is no JSON object, damaged or cut short")
	}
	var backup *Backup
	var err error
	switch {
	case form.Metadata != nil:
		backup, err = parseOpen(b)
	case form.NetworkInfo != nil:
		backup, err = parseZigpy(b)
	case form.AdapterType != nil:
		err = errors.New("it has the form of Zigbee2MQTT before 1.20: start a newer Zigbee2MQTT once, which writes it anew")
	default:
		err = errors.New("it is neither in the open coordinator backup format nor a backup of zigpy")
	}
	if err == nil {
		own := backup.Coordinator // some list themselves
		backup.Devices = slices.DeleteFunc(backup.Devices, func(d Device) bool { return d.EUI64 == own })
		err = backup.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("reading a coordinator backup: %w", err)
	}
	return backup, nil
}

// parseOpen reads the open coordinator backup format.
func parseOpen(b []byte) (*Backup, error) {
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, unfit(err)
	}
	if d.Metadata.Format != "" && d.Metadata.Format != format {
		return nil, fmt.Errorf("its format is %.60q, want %q", d.Metadata.Format, format)
	}
	if v, err := d.Metadata.Version.Int64(); err != nil || v != version {
		return nil, fmt.Errorf("its version is %.20q; only version %d is known", d.Metadata.Version.String(), version)
	}
	var in internal
	if len(d.Metadata.Internal) > 0 { // of which each program makes what it likes
		_ = json.Unmarshal(d.Metadata.Internal, &in)
	}
	out := &Backup{
		Source: d.Metadata.Source, EZSPVersion: in.EZSPVersion,
		Channel: d.Channel, SecurityLevel: d.SecurityLevel, UpdateID: d.UpdateID,
		KeySequence: d.NetworkKey.Sequence, FrameCounter: d.NetworkKey.FrameCounter,
	}
	for _, s := range []string{in.Date, in.CreationTime} {
		if t, err := time.Parse(time.RFC3339, s); err == nil {
			out.Time = t
		}
	}
	// What zigbee-herdsman writes of EmberZNet dongles has addresses and the
	// extended PAN id in the order of the wire, not in that of the format.
	fromWire := strings.HasPrefix(d.Metadata.Source, "zigbee-herdsman@") && d.StackSpecific != nil && d.StackSpecific.EZSP != nil
	f := fields{}
	out.Coordinator = zcl.EUI64(f.number("coordinator_ieee", d.Coordinator, 64))
	out.PANID = uint16(f.number("pan_id", d.PANID, 16))
	out.ExtendedPANID = f.number("extended_pan_id", d.ExtendedPANID, 64)
	out.NetworkKey = f.key("network_key.key", d.NetworkKey.Key)
	if s := d.StackSpecific; s != nil && s.EZSP != nil && s.EZSP.HashedTCLK != "" {
		out.LinkKeySeed = f.key("stack_specific.ezsp.hashed_tclk", s.EZSP.HashedTCLK)
	}
	if s := d.StackSpecific; s != nil && s.ZStack != nil && s.ZStack.Seed != "" {
		out.ZStackSeed = f.key("stack_specific.zstack.tclk_seed", s.ZStack.Seed)
	}
	for _, c := range d.Channels {
		if c < 0 || c > 255 {
			f.fail("channel_mask", errors.New("a channel is out of range"))
			break
		}
		out.Channels = append(out.Channels, uint8(c))
	}
	for i, e := range d.Devices {
		at := "devices[" + strconv.Itoa(i) + "]"
		dev := Device{EUI64: zcl.EUI64(f.number(at+".ieee_address", e.EUI64, 64)), NodeID: NoNode, IsChild: e.IsChild}
		if e.NodeID != nil {
			dev.NodeID = nodeID(uint16(f.number(at+".nwk_address", *e.NodeID, 16)))
		}
		if e.LinkKey != nil {
			dev.LinkKey = &LinkKey{f.key(at+".link_key.key", e.LinkKey.Key), e.LinkKey.Rx, e.LinkKey.Tx}
		}
		out.Devices = append(out.Devices, dev)
	}
	if f.err != nil {
		return nil, f.err
	}
	if fromWire {
		out.ExtendedPANID = bits.ReverseBytes64(out.ExtendedPANID)
		if !isMACDerived(out.Coordinator) {
			out.ReverseAddresses()
		}
	}
	return out, nil
}

// ReverseAddresses turns the bytes of all devices' addresses round: there are
// programs that write them in the order of the wire.
func (b *Backup) ReverseAddresses() {
	turn := func(e *zcl.EUI64) { *e = zcl.EUI64(bits.ReverseBytes64(uint64(*e))) }
	turn(&b.Coordinator)
	for i := range b.Devices {
		turn(&b.Devices[i].EUI64)
	}
}

// isMACDerived reports whether an address has, in the right order, the mark of
// one that was made of a 48-bit address.
func isMACDerived(e zcl.EUI64) bool { return uint64(e)>>24&0xFFFF == 0xFFFE }

// nodeID is a network address of a file, in which several mean that it is not
// known.
func nodeID(v uint16) uint16 {
	if v == 0 || v >= 0xFFF8 {
		return NoNode
	}
	return v
}

// fields reads fields and keeps the first error.
type fields struct{ err error }

func (f *fields) fail(name string, err error) {
	if f.err == nil {
		f.err = fmt.Errorf("its %s: %w", name, err)
	}
}

// number reads hexadecimal digits, with or without colons, a prefix and leading
// zeroes.
func (f *fields) number(name, s string, size int) uint64 {
	digits := strings.ReplaceAll(strings.TrimPrefix(strings.ToLower(s), "0x"), ":", "")
	v, err := strconv.ParseUint(digits, 16, size)
	if err != nil {
		f.fail(name, fmt.Errorf("%.40q is no hexadecimal number of at most %d digits", s, size/4))
	}
	return v
}

func (f *fields) key(name, s string) Key {
	k, err := parseKey(strings.ReplaceAll(s, ":", ""))
	if err != nil {
		f.fail(name, err)
	}
	return k
}

// unfit is an error of encoding/json without what the file says.
func unfit(err error) error {
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) {
		what, _, _ := strings.Cut(t.Value, " ") // "number 300"
		return fmt.Errorf("its %s is a %s where a %s should be", t.Field, what, t.Type)
	}
	return errors.New("it is damaged or cut short")
}

// Encode writes the backup in the open coordinator backup format, bytes most
// significant first as that says.
func (b *Backup) Encode() ([]byte, error) {
	if err := b.Check(); err != nil {
		return nil, fmt.Errorf("writing a coordinator backup: %w", err)
	}
	var d document
	d.Metadata.Format, d.Metadata.Version, d.Metadata.Source = format, json.Number(strconv.Itoa(version)), b.Source
	in := internal{EZSPVersion: b.EZSPVersion}
	if !b.Time.IsZero() {
		in.Date = b.Time.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	var err error
	if d.Metadata.Internal, err = json.Marshal(in); err != nil {
		return nil, err
	}
	if !b.LinkKeySeed.IsZero() || !b.ZStackSeed.IsZero() {
		d.StackSpecific = &stackSpecific{}
	}
	if !b.LinkKeySeed.IsZero() {
		d.StackSpecific.EZSP = &ezspSpecific{hex.EncodeToString(b.LinkKeySeed[:])}
	}
	if !b.ZStackSeed.IsZero() {
		d.StackSpecific.ZStack = &zstackSpecific{hex.EncodeToString(b.ZStackSeed[:])}
	}
	d.Coordinator, d.PANID, d.ExtendedPANID = hex64(uint64(b.Coordinator)), hex16(b.PANID), hex64(b.ExtendedPANID)
	d.UpdateID, d.SecurityLevel, d.Channel = b.UpdateID, b.SecurityLevel, b.Channel
	d.NetworkKey = documentKey{hex.EncodeToString(b.NetworkKey[:]), b.KeySequence, b.FrameCounter}
	d.Channels = []int{}
	for _, c := range b.Channels {
		d.Channels = append(d.Channels, int(c))
	}
	d.Devices = []documentEntry{}
	for _, dev := range b.Devices {
		e := documentEntry{EUI64: hex64(uint64(dev.EUI64)), IsChild: dev.IsChild}
		if dev.NodeID != NoNode {
			s := hex16(dev.NodeID)
			e.NodeID = &s
		}
		if k := dev.LinkKey; k != nil {
			e.LinkKey = &documentLnk{hex.EncodeToString(k.Key[:]), k.Incoming, k.Outgoing}
		}
		d.Devices = append(d.Devices, e)
	}
	out, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(bytes.TrimSpace(out), '\n'), nil
}

func hex16(v uint16) string { return fmt.Sprintf("%04x", v) }

func hex64(v uint64) string {
	return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, v))
}
