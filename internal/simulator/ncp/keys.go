package ncp

import (
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// LinkKey is an entry of the key table: a key shared with one device.
type LinkKey struct {
	Index    uint8       `json:"index"`
	EUI64    radio.EUI64 `json:"eui64"`
	Key      radio.Key   `json:"key"`
	Outgoing uint32      `json:"outgoing"`
	Incoming uint32      `json:"incoming"`
}

// Kinds of key in the security manager (sl_zb_sec_man_key_type_t).
const (
	keyNetwork   = 1
	keyTrust     = 2
	keyTransient = 3
	keyLink      = 4
)

// Bits of a key's flags in the security manager's context.
const (
	contextIndex = 0x01
	contextEUI64 = 0x02
)

// Bits that say which fields of a key mean something (EmberKeyStructBitmask).
const (
	hasSequence = 0x0001
	hasOutgoing = 0x0002
	hasIncoming = 0x0004
	hasPartner  = 0x0008
)

// keyContext is sl_zb_sec_man_context_t.
type keyContext struct {
	kind, index uint8
	derived     uint16
	eui         radio.EUI64
	network     uint8
	flags       uint8
	permission  uint32
}

func (r *reader) keyContext() keyContext {
	return keyContext{kind: r.u8(), index: r.u8(), derived: r.u16(), eui: radio.EUI64(r.u64()),
		network: r.u8(), flags: r.u8(), permission: r.u32()}
}

func (w *writer) keyContext(c keyContext) {
	w.u8(c.kind)
	w.u8(c.index)
	w.u16(c.derived)
	w.u64(uint64(c.eui))
	w.u8(c.network)
	w.u8(c.flags)
	w.u32(c.permission)
}

// metadata writes sl_zb_sec_man_aps_key_metadata_t.
func (w *writer) metadata(flags uint16, outgoing, incoming uint32, ttl uint16) {
	w.u16(flags)
	w.u32(outgoing)
	w.u32(incoming)
	w.u16(ttl)
}

// export finds the network's key or the trust centre's.
func (n *NCP) export(kind, index uint8) (k radio.Key, s slStatus) {
	switch {
	case kind == keyNetwork && index > 0: // no second network key is ever set
		return k, slNotFound
	case kind != keyNetwork && kind != keyTrust:
		return k, slNotFound
	case n.memory.Network == nil:
		return k, slNotJoined
	case kind == keyNetwork:
		return n.memory.Network.Key, slOK
	}
	return n.memory.Network.LinkKey, slOK
}

func exportKey(n *NCP, in *reader, out *writer) {
	c := in.keyContext()
	if in.bad() {
		return
	}
	k, s := n.export(c.kind, c.index)
	if out.dialect.has(keyContexts) {
		out.sl(s)
		out.bytes(k[:])
		out.keyContext(c)
		return
	}
	out.bytes(k[:])
	out.sl(s)
}

func getAPSKeyInfo(n *NCP, in *reader, out *writer) {
	c := in.keyContext()
	if in.bad() {
		return
	}
	s, counter := slNotFound, uint32(0)
	if c.kind == keyTrust && n.memory.Network != nil {
		s, counter = slOK, n.memory.Network.APSCounter
	}
	if out.dialect.has(keyContexts) {
		out.sl(s)
		out.metadata(hasOutgoing, counter, 0, 0)
		out.keyContext(c)
		return
	}
	out.u64(uint64(c.eui))
	out.metadata(hasOutgoing, counter, 0, 0)
	out.sl(s)
}

func getNetworkKeyInfo(n *NCP, in *reader, out *writer) {
	if in.bad() {
		return
	}
	out.sl(slOK)
	s := n.memory.Network
	out.bool(s != nil)
	out.bool(false) // no alternate key
	if s != nil {
		out.u8(s.KeySequence)
	} else {
		out.u8(0)
	}
	out.u8(0)
	out.u32(n.counter)
}

// keyStruct writes EmberKeyStruct.
func (w *writer) keyStruct(flags uint16, kind uint8, k radio.Key, outgoing, incoming uint32, sequence uint8, partner radio.EUI64) {
	w.u16(flags)
	w.u8(kind)
	w.bytes(k[:])
	w.u32(outgoing)
	w.u32(incoming)
	w.u8(sequence)
	w.u64(uint64(partner))
}

// Kinds of key up to EZSP 12 (EmberKeyType).
const (
	oldTrust   = 1
	oldNetwork = 3
	oldLink    = 5
)

func getKey(n *NCP, in *reader, out *writer) {
	kind := in.u8()
	if in.bad() {
		return
	}
	s := n.memory.Network
	switch {
	case s == nil:
		out.status(statusNotJoined)
		out.keyStruct(0, kind, radio.Key{}, 0, 0, 0, 0)
	case kind == oldNetwork:
		out.status(statusOK)
		out.keyStruct(hasSequence|hasOutgoing, kind, s.Key, n.counter, 0, s.KeySequence, 0)
	case kind == oldTrust:
		out.status(statusOK)
		out.keyStruct(hasOutgoing|hasPartner, kind, s.LinkKey, s.APSCounter, 0, 0, n.eui)
	default:
		out.status(statusNotFound)
		out.keyStruct(0, kind, radio.Key{}, 0, 0, 0, 0)
	}
}

// keys is the size of the key table.
func (n *NCP) keys() int { return int(n.config[configKeyTable]) }

func (n *NCP) linkKey(match func(LinkKey) bool) (LinkKey, bool) {
	if i := slices.IndexFunc(n.memory.Keys, match); i >= 0 {
		return n.memory.Keys[i], true
	}
	return LinkKey{}, false
}

// setLinkKey puts a key at its place, or at the device's place or the first
// free one when index is 0xFF.
func (n *NCP) setLinkKey(index uint8, eui radio.EUI64, k radio.Key) status {
	if index == noEntry {
		if old, ok := n.linkKey(func(o LinkKey) bool { return o.EUI64 == eui }); ok {
			index = old.Index
		}
	}
	for i := 0; index == noEntry && i < n.keys(); i++ {
		if _, taken := n.linkKey(func(o LinkKey) bool { return int(o.Index) == i }); !taken {
			index = uint8(i)
		}
	}
	switch {
	case index == noEntry:
		return statusTableFull
	case int(index) >= n.keys():
		return statusIndexRange
	}
	n.memory.Keys = slices.DeleteFunc(n.memory.Keys, func(o LinkKey) bool { return o.Index == index || o.EUI64 == eui })
	n.memory.Keys = append(n.memory.Keys, LinkKey{Index: index, EUI64: eui, Key: k})
	n.o.Changed()
	return statusOK
}

func getKeyTableEntry(n *NCP, in *reader, out *writer) {
	i := in.u8()
	if in.bad() {
		return
	}
	k, ok := n.linkKey(func(k LinkKey) bool { return k.Index == i })
	switch {
	case int(i) >= n.keys():
		out.status(statusIndexRange)
	case !ok:
		out.status(statusErased)
	default:
		out.status(statusOK)
	}
	out.keyStruct(hasOutgoing|hasIncoming|hasPartner, oldLink, k.Key, k.Outgoing, k.Incoming, 0, k.EUI64)
}

func setKeyTableEntry(n *NCP, in *reader, out *writer) {
	i, eui := in.u8(), radio.EUI64(in.u64())
	in.u8() // a link key, not a master key
	k := in.key()
	if !in.bad() {
		out.status(n.setLinkKey(i, eui, k))
	}
}

func addKeyTableEntry(n *NCP, in *reader, out *writer) {
	eui := radio.EUI64(in.u64())
	in.u8() // a link key, not a master key
	k := in.key()
	if !in.bad() {
		out.status(n.setLinkKey(noEntry, eui, k))
	}
}

func importLinkKey(n *NCP, in *reader, out *writer) {
	i, eui, k := in.u8(), radio.EUI64(in.u64()), in.key()
	if !in.bad() {
		out.sl(slOf[n.setLinkKey(i, eui, k)])
	}
}

func exportLinkKeyByIndex(n *NCP, in *reader, out *writer) {
	i := in.u8()
	if in.bad() {
		return
	}
	k, ok := n.linkKey(func(k LinkKey) bool { return k.Index == i })
	s := slOK
	switch {
	case int(i) >= n.keys():
		s = slInvalidIndex
	case !ok:
		s = slNotFound
	}
	if out.dialect.has(keyContexts) {
		out.sl(s)
		out.keyContext(keyContext{kind: keyLink, index: i, eui: k.EUI64, flags: contextIndex | contextEUI64})
		out.bytes(k.Key[:])
		out.metadata(hasOutgoing|hasIncoming, k.Outgoing, k.Incoming, 0)
		return
	}
	out.u64(uint64(k.EUI64))
	out.bytes(k.Key[:])
	out.metadata(hasOutgoing|hasIncoming, k.Outgoing, k.Incoming, 0)
	out.sl(s)
}

func exportLinkKeyByEUI64(n *NCP, in *reader, out *writer) {
	eui := radio.EUI64(in.u64())
	if in.bad() {
		return
	}
	k, ok := n.linkKey(func(k LinkKey) bool { return k.EUI64 == eui })
	s := slOK
	if !ok {
		s = slNotFound
	}
	if out.dialect.has(keyContexts) {
		out.sl(s)
		out.keyContext(keyContext{kind: keyLink, index: k.Index, eui: eui, flags: contextIndex | contextEUI64})
		out.bytes(k.Key[:])
		out.metadata(hasOutgoing|hasIncoming, k.Outgoing, k.Incoming, 0)
		return
	}
	out.bytes(k.Key[:])
	out.u8(k.Index)
	out.metadata(hasOutgoing|hasIncoming, k.Outgoing, k.Incoming, 0)
	out.sl(s)
}

func findKeyTableEntry(n *NCP, in *reader, out *writer) {
	eui := radio.EUI64(in.u64())
	in.u8()
	if in.bad() {
		return
	}
	if k, ok := n.linkKey(func(k LinkKey) bool { return k.EUI64 == eui }); ok {
		out.u8(k.Index)
	} else {
		out.u8(noEntry)
	}
}

func eraseKeyTableEntry(n *NCP, in *reader, out *writer) {
	i := in.u8()
	if in.bad() {
		return
	}
	if int(i) >= n.keys() {
		out.status(statusIndexRange)
		return
	}
	n.memory.Keys = slices.DeleteFunc(n.memory.Keys, func(k LinkKey) bool { return k.Index == i })
	n.o.Changed()
	out.status(statusOK)
}

func clearKeyTable(n *NCP, in *reader, out *writer) {
	if in.bad() {
		return
	}
	n.memory.Keys = nil
	n.o.Changed()
	out.status(statusOK)
}

// transientKey lets one device, or any (all ones), in until it ends.
type transientKey struct {
	eui  radio.EUI64
	key  radio.Key
	ends time.Time
}

// left is how long a key lasts, in seconds.
func (k transientKey) left() uint16 { return uint16(max(0, time.Until(k.ends)/time.Second)) }

const (
	anyDevice    = radio.EUI64(1<<64 - 1)
	maxTransient = 8
)

func importTransientKey(n *NCP, in *reader, out *writer) {
	k := transientKey{eui: radio.EUI64(in.u64()), key: in.key()}
	manager := out.dialect.has(securityManager)
	if manager && !out.dialect.has(keyContexts) {
		in.u8() // flags
	}
	if in.bad() {
		return
	}
	s := statusOK
	n.dropTransient(func(o transientKey) bool { return o.eui == k.eui })
	if len(n.transient) >= maxTransient {
		s = statusTableFull
	} else {
		k.ends = time.Now().Add(time.Duration(n.config[configTransientTimeout]) * time.Second)
		n.transient = append(n.transient, k)
		n.air.Changed()
	}
	if manager {
		out.sl(slOf[s])
	} else {
		out.status(s)
	}
}

// dropTransient removes keys that have ended or match.
func (n *NCP) dropTransient(match func(transientKey) bool) {
	var kept []transientKey
	for _, k := range n.transient {
		if time.Now().Before(k.ends) && !match(k) {
			kept = append(kept, k)
		}
	}
	n.transient = kept
}

func clearTransientLinkKeys(n *NCP, in *reader, _ *writer) {
	if !in.bad() {
		n.transient = nil
	}
}

// transientBy finds a transient key that has not ended.
func (n *NCP) transientBy(match func(i int, k transientKey) bool) (int, transientKey, bool) {
	n.dropTransient(func(transientKey) bool { return false })
	for i, k := range n.transient {
		if match(i, k) {
			return i, k, true
		}
	}
	return 0, transientKey{}, false
}

// oldTransient answers with EmberTransientKeyData.
func (w *writer) oldTransient(k transientKey, ok bool) {
	if ok {
		w.status(statusOK)
	} else {
		w.status(statusNotFound)
	}
	w.u64(uint64(k.eui))
	w.bytes(k.key[:])
	w.u16(hasPartner)
	w.u16(k.left())
}

func getTransientKeyTableEntry(n *NCP, in *reader, out *writer) {
	at := int(in.u8())
	if in.bad() {
		return
	}
	_, k, ok := n.transientBy(func(i int, _ transientKey) bool { return i == at })
	out.oldTransient(k, ok)
}

func getTransientLinkKey(n *NCP, in *reader, out *writer) {
	eui := radio.EUI64(in.u64())
	if in.bad() {
		return
	}
	_, k, ok := n.transientBy(func(_ int, k transientKey) bool { return k.eui == eui })
	out.oldTransient(k, ok)
}

// exportTransient answers as the security manager does.
func (w *writer) exportTransient(i int, k transientKey, ok bool) {
	s := slOK
	if !ok {
		s = slNotFound
	}
	if w.dialect.has(keyContexts) {
		w.sl(s)
	}
	w.keyContext(keyContext{kind: keyTransient, index: uint8(i), eui: k.eui, flags: contextIndex | contextEUI64})
	w.bytes(k.key[:])
	w.metadata(0, 0, 0, k.left())
	if !w.dialect.has(keyContexts) {
		w.sl(s)
	}
}

func exportTransientKeyByIndex(n *NCP, in *reader, out *writer) {
	at := int(in.u8())
	if in.bad() {
		return
	}
	i, k, ok := n.transientBy(func(i int, _ transientKey) bool { return i == at })
	out.exportTransient(i, k, ok)
}

func exportTransientKeyByEUI64(n *NCP, in *reader, out *writer) {
	eui := radio.EUI64(in.u64())
	if in.bad() {
		return
	}
	i, k, ok := n.transientBy(func(_ int, k transientKey) bool { return k.eui == eui })
	out.exportTransient(i, k, ok)
}

// unicastNetworkKey sends a device the key it has: nothing changes.
func unicastNetworkKey(n *NCP, in *reader, out *writer) {
	in.bytes(2 + 8 + 2)
	if in.bad() {
		return
	}
	if n.up {
		out.status(statusOK)
	} else {
		out.status(statusNetworkDown)
	}
}
