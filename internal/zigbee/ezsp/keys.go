package ezsp

import (
	"context"
	"encoding/binary"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Keys are reached in two ways: up to EZSP 12 one by one with getKey and its
// kin, from EZSP 13 on through the security manager, which replaced them. The
// methods here hide which.

// KeyType is a kind of key that can be exported.
type KeyType uint8

// The keys that are exported (UG100: sl_zb_sec_man_key_type_t).
const (
	NetworkKey         KeyType = 1
	TrustCenterLinkKey KeyType = 2
)

// emberKeyType is the same key in EZSP 8 to 12 (UG100: EmberKeyType).
var emberKeyType = map[KeyType]uint8{NetworkKey: 3, TrustCenterLinkKey: 1}

// LinkKey is a key that the NCP shares with one device.
type LinkKey struct {
	Index              uint8 // in the key table
	EUI64              zcl.EUI64
	Key                Key
	Outgoing, Incoming uint32 // frame counters
}

// keyStruct is EmberKeyStruct.
type keyStruct struct {
	Status             Status
	Bitmask            uint16
	Type               uint8
	Key                Key
	Outgoing, Incoming uint32
	Sequence           uint8
	Partner            zcl.EUI64
}

var keyStructLayout = layout[keyStruct]{all(func(c *coder, v *keyStruct) {
	emberStatus(c, &v.Status)
	u16(c, &v.Bitmask)
	u8(c, &v.Type)
	key(c, &v.Key)
	u32(c, &v.Outgoing)
	u32(c, &v.Incoming)
	u8(c, &v.Sequence)
	eui64(c, &v.Partner)
})}

// keyContext names a key in the NCP's security manager
// (sl_zb_sec_man_context_t).
type keyContext struct {
	Type, Index uint8
	Derived     uint16
	EUI64       zcl.EUI64
	Network     uint8
	Flags       uint8
	Algorithm   uint32
}

func securityContext(c *coder, v *keyContext) {
	u8(c, &v.Type)
	u8(c, &v.Index)
	u16(c, &v.Derived)
	eui64(c, &v.EUI64)
	u8(c, &v.Network)
	u8(c, &v.Flags)
	u32(c, &v.Algorithm)
}

// keyData is sl_zb_sec_man_aps_key_metadata_t.
type keyData struct {
	Bitmask            uint16
	Outgoing, Incoming uint32
	TTL                uint16 // s
}

func keyMetadata(c *coder, v *keyData) {
	u16(c, &v.Bitmask)
	u32(c, &v.Outgoing)
	u32(c, &v.Incoming)
	u16(c, &v.TTL)
}

// psaCCM is the algorithm permission that the security manager expects in the
// context: PSA_ALG_CCM_STAR_ANY_TAG or the like; recorded from a working host.
const psaCCM = 0x05440100

type statusKey struct {
	Status Status
	Key    Key
}

type statusKeyInfo struct {
	Status Status
	Info   KeyInfo
}

type exportedLinkKey struct {
	Status  Status
	Context keyContext
	Key     Key
	Data    keyData
}

type transientKey struct {
	EUI64 zcl.EUI64
	Key   Key
}

type indexedKey struct {
	Index uint8
	EUI64 zcl.EUI64
	Key   Key
}

type addressFlag struct {
	EUI64 zcl.EUI64
	Flag  bool
}

var (
	untilGetKey = versions{last: 12}
	fromManager = versions{first: 13}

	cmdGetKey              = command[uint8, keyStruct]{id: 0x006A, name: "getKey", ask: layout[uint8]{all(u8[uint8])}, answer: keyStructLayout, has: untilGetKey}
	cmdGetKeyTableEntry    = command[uint8, keyStruct]{id: 0x0071, name: "getKeyTableEntry", ask: layout[uint8]{all(u8[uint8])}, answer: keyStructLayout, has: untilGetKey}
	cmdSetKeyTableEntry    = command[indexedKey, Status]{id: 0x0072, name: "setKeyTableEntry", ask: layout[indexedKey]{all(oldLinkKey(true))}, answer: emberReply, has: untilGetKey}
	cmdAddKeyTableEntry    = command[indexedKey, Status]{id: 0x0066, name: "addOrUpdateKeyTableEntry", ask: layout[indexedKey]{all(oldLinkKey(false))}, answer: emberReply, has: untilGetKey}
	cmdAddTransientLinkKey = command[transientKey, Status]{id: 0x00AF, name: "addTransientLinkKey",
		ask: layout[transientKey]{all(func(c *coder, v *transientKey) { eui64(c, &v.EUI64); key(c, &v.Key) })}, answer: emberReply, has: untilGetKey}

	cmdImportTransientKey = command[transientKey, Status]{id: 0x0111, name: "importTransientKey",
		ask: layout[transientKey]{
			all(func(c *coder, v *transientKey) { eui64(c, &v.EUI64); key(c, &v.Key) }),
			until(13, func(c *coder, v *transientKey) { c.skip(1) }), // flags
		}, answer: slReply, has: fromManager}
	cmdExportKey = command[keyContext, statusKey]{id: 0x0114, name: "exportKey",
		ask: layout[keyContext]{all(securityContext)},
		answer: layout[statusKey]{
			from(14, func(c *coder, v *statusKey) { slStatus(c, &v.Status) }),
			all(func(c *coder, v *statusKey) { key(c, &v.Key) }),
			until(13, func(c *coder, v *statusKey) { slStatus(c, &v.Status) }),
			// From 14 on the context follows.
		}, has: fromManager}
	cmdGetNetworkKeyInfo = command[nothing, statusKeyInfo]{id: 0x0116, name: "getNetworkKeyInfo",
		answer: layout[statusKeyInfo]{all(func(c *coder, v *statusKeyInfo) {
			slStatus(c, &v.Status)
			flag8(c, &v.Info.Set)
			flag8(c, &v.Info.AlternateSet)
			u8(c, &v.Info.Sequence)
			u8(c, &v.Info.AltSequence)
			u32(c, &v.Info.FrameCounter)
		})}, has: fromManager}
	cmdGetAPSKeyInfo = command[keyContext, exportedLinkKey]{id: 0x010C, name: "getApsKeyInfo",
		ask: layout[keyContext]{all(securityContext)},
		answer: layout[exportedLinkKey]{
			from(14, func(c *coder, v *exportedLinkKey) { slStatus(c, &v.Status) }),
			until(13, func(c *coder, v *exportedLinkKey) { eui64(c, &v.Context.EUI64) }),
			all(func(c *coder, v *exportedLinkKey) { keyMetadata(c, &v.Data) }),
			until(13, func(c *coder, v *exportedLinkKey) { slStatus(c, &v.Status) }),
			// From 14 on the context follows.
		}, has: fromManager}
	cmdExportLinkKeyByIndex = command[uint8, exportedLinkKey]{id: 0x010F, name: "exportLinkKeyByIndex",
		ask: layout[uint8]{all(u8[uint8])},
		answer: layout[exportedLinkKey]{
			from(14, func(c *coder, v *exportedLinkKey) { slStatus(c, &v.Status); securityContext(c, &v.Context) }),
			until(13, func(c *coder, v *exportedLinkKey) { eui64(c, &v.Context.EUI64) }),
			all(func(c *coder, v *exportedLinkKey) { key(c, &v.Key); keyMetadata(c, &v.Data) }),
			until(13, func(c *coder, v *exportedLinkKey) { slStatus(c, &v.Status) }),
		}, has: fromManager}
	cmdImportLinkKey = command[indexedKey, Status]{id: 0x010E, name: "importLinkKey",
		ask: layout[indexedKey]{all(func(c *coder, v *indexedKey) {
			u8(c, &v.Index)
			eui64(c, &v.EUI64)
			key(c, &v.Key)
		})}, answer: slReply, has: fromManager}

	cmdClearTransientLinkKeys = command[nothing, nothing]{id: 0x006B, name: "clearTransientLinkKeys"}
	cmdClearKeyTable          = command[nothing, Status]{id: 0x00B1, name: "clearKeyTable", answer: emberReply}
	cmdFindKeyTableEntry      = command[addressFlag, uint8]{id: 0x0075, name: "findKeyTableEntry",
		ask: layout[addressFlag]{all(addressAndFlag)}, answer: layout[uint8]{all(u8[uint8])}}
	cmdEraseKeyTableEntry = command[uint8, Status]{id: 0x0076, name: "eraseKeyTableEntry",
		ask: layout[uint8]{all(u8[uint8])}, answer: emberReply}
)

func addressAndFlag(c *coder, v *addressFlag) { eui64(c, &v.EUI64); flag8(c, &v.Flag) }

// oldLinkKey is a link key as EZSP 8 to 12 take it, with its place or without.
func oldLinkKey(indexed bool) func(*coder, *indexedKey) {
	return func(c *coder, v *indexedKey) {
		if indexed {
			u8(c, &v.Index)
		}
		link := true // and not a master key
		eui64(c, &v.EUI64)
		flag8(c, &link)
		key(c, &v.Key)
	}
}

func (c *Conn) getKey(ctx context.Context, t KeyType) (keyStruct, error) {
	r, err := cmdGetKey.call(ctx, c, emberKeyType[t])
	return r, checked(cmdGetKey.name, r.Status, err)
}

// ExportKey gets a key out of the NCP.
func (c *Conn) ExportKey(ctx context.Context, t KeyType) (Key, error) {
	if cmdGetKey.has.include(c.dialect()) {
		r, err := c.getKey(ctx, t)
		return r.Key, err
	}
	r, err := cmdExportKey.call(ctx, c, keyContext{Type: uint8(t), Algorithm: psaCCM})
	return r.Key, checked(cmdExportKey.name, r.Status, err)
}

// NetworkKeyInfo gets what goes with the network key: its sequence number and
// our outgoing frame counter. Up to EZSP 12 nothing tells of an alternate key.
func (c *Conn) NetworkKeyInfo(ctx context.Context) (KeyInfo, error) {
	if cmdGetKey.has.include(c.dialect()) {
		r, err := c.getKey(ctx, NetworkKey)
		if err != nil {
			return KeyInfo{}, err
		}
		return KeyInfo{Set: true, Sequence: r.Sequence, FrameCounter: r.Outgoing}, nil
	}
	r, err := cmdGetNetworkKeyInfo.call(ctx, c, nothing{})
	return r.Info, checked(cmdGetNetworkKeyInfo.name, r.Status, err)
}

// APSFrameCounter gets the outgoing frame counter of the trust centre's link
// key, which a backup keeps.
func (c *Conn) APSFrameCounter(ctx context.Context) (uint32, error) {
	if cmdGetKey.has.include(c.dialect()) {
		r, err := c.getKey(ctx, TrustCenterLinkKey)
		return r.Outgoing, err
	}
	r, err := cmdGetAPSKeyInfo.call(ctx, c, keyContext{Type: uint8(TrustCenterLinkKey), Algorithm: psaCCM})
	return r.Data.Outgoing, checked(cmdGetAPSKeyInfo.name, r.Status, err)
}

// SetNetworkFrameCounter sets the outgoing frame counter of the network key.
// It is taken only while the NCP is in no network.
func (c *Conn) SetNetworkFrameCounter(ctx context.Context, n uint32) error {
	return c.SetValue(ctx, ValueNetworkFrameCounter, binary.LittleEndian.AppendUint32(nil, n))
}

// SetAPSFrameCounter sets the outgoing frame counter of link keys. It is taken
// only while the NCP is in no network.
func (c *Conn) SetAPSFrameCounter(ctx context.Context, n uint32) error {
	return c.SetValue(ctx, ValueAPSFrameCounter, binary.LittleEndian.AppendUint32(nil, n))
}

// ImportTransientKey sets a link key with which a device may join for a while
// (ConfigTransientKeyTimeout); zcl.EUI64Any is any device. A key made from an
// install code (InstallCodeKey) is for the device with that code.
func (c *Conn) ImportTransientKey(ctx context.Context, e zcl.EUI64, k Key) error {
	if cmdAddTransientLinkKey.has.include(c.dialect()) {
		return do(ctx, c, &cmdAddTransientLinkKey, transientKey{e, k})
	}
	return do(ctx, c, &cmdImportTransientKey, transientKey{e, k})
}

// ClearTransientLinkKeys forgets them.
func (c *Conn) ClearTransientLinkKeys(ctx context.Context) error {
	_, err := cmdClearTransientLinkKeys.call(ctx, c, nothing{})
	return err
}

// ClearKeyTable forgets all link keys.
func (c *Conn) ClearKeyTable(ctx context.Context) error {
	return do(ctx, c, &cmdClearKeyTable, nothing{})
}

// KeyTableSize is how many link keys the NCP has room for.
func (c *Conn) KeyTableSize(ctx context.Context) (int, error) {
	n, err := c.ConfigurationValue(ctx, ConfigKeyTableSize)
	return min(int(n), 255), err
}

// LinkKeys gets all link keys in the key table. The keys of a network with
// SecurityHashedLinkKey are not there: each is hashed from the trust centre's.
func (c *Conn) LinkKeys(ctx context.Context) ([]LinkKey, error) {
	size, err := c.KeyTableSize(ctx)
	if err != nil {
		return nil, err
	}
	var keys []LinkKey
	for i := range size {
		k, err := c.linkKey(ctx, uint8(i))
		switch {
		case err == nil:
			keys = append(keys, k)
		case Means(err, InvalidIndex):
			return keys, nil
		case Means(err, NotFound):
		default:
			return nil, err
		}
	}
	return keys, nil
}

func (c *Conn) linkKey(ctx context.Context, i uint8) (LinkKey, error) {
	if cmdGetKeyTableEntry.has.include(c.dialect()) {
		r, err := cmdGetKeyTableEntry.call(ctx, c, i)
		return LinkKey{i, r.Partner, r.Key, r.Outgoing, r.Incoming}, checked(cmdGetKeyTableEntry.name, r.Status, err)
	}
	r, err := cmdExportLinkKeyByIndex.call(ctx, c, i)
	return LinkKey{i, r.Context.EUI64, r.Key, r.Data.Outgoing, r.Data.Incoming}, checked(cmdExportLinkKeyByIndex.name, r.Status, err)
}

// AnyIndex is the place of a device's link key, or the first that is free.
const AnyIndex = 0xFF

// ImportLinkKey puts a device's link key into the key table, at a place of it
// or at AnyIndex. Its frame counters begin anew.
func (c *Conn) ImportLinkKey(ctx context.Context, index uint8, e zcl.EUI64, k Key) error {
	q := indexedKey{index, e, k}
	switch {
	case cmdImportLinkKey.has.include(c.dialect()):
		return do(ctx, c, &cmdImportLinkKey, q)
	case index == AnyIndex:
		return do(ctx, c, &cmdAddKeyTableEntry, q)
	}
	return do(ctx, c, &cmdSetKeyTableEntry, q)
}

// EraseLinkKey forgets a device's link key, if there is one.
func (c *Conn) EraseLinkKey(ctx context.Context, e zcl.EUI64) error {
	i, err := cmdFindKeyTableEntry.call(ctx, c, addressFlag{e, true})
	if err != nil || i == 0xFF {
		return err
	}
	return do(ctx, c, &cmdEraseKeyTableEntry, i)
}
