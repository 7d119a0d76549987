package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"

	"github.com/smartcore-ireland/hems/internal/ledger"
)

// The form of a day of the ledger:
//
//	byte     form, 1
//	4 bytes  CRC-32C of all that follows, big endian
//	8 bytes  which of the 48 half hours are there, little endian
//	8 bytes  which of them have flags, little endian
//	uvarint  the flags of each that has some
//	varint   the energy of each, µWh
//
// A day is not compressed: a page of the file holds some, and one in which the
// house used little is as long as its numbers are.
const (
	ledgerForm   = 1
	ledgerHeader = 1 + 4 + 8 + 8
)

// encodeDay encodes the slots of one day, each once.
func encodeDay(day int64, slots []ledger.Slot) []byte {
	var there, flagged uint64
	b := make([]byte, ledgerHeader, ledgerHeader+6*len(slots))
	for _, s := range slots {
		n := uint((s.Start - day*daySeconds) / ledger.SlotSeconds)
		there |= 1 << n
		if s.Flags != 0 {
			flagged |= 1 << n
			b = binary.AppendUvarint(b, uint64(s.Flags))
		}
	}
	for _, s := range slots {
		b = binary.AppendVarint(b, int64(s.Energy))
	}
	b[0] = ledgerForm
	binary.LittleEndian.PutUint64(b[5:], there)
	binary.LittleEndian.PutUint64(b[13:], flagged)
	binary.BigEndian.PutUint32(b[1:], crc32.Checksum(b[5:], castagnoli))
	return b
}

// decodeDay decodes what encodeDay has made, in ascending time. The error wraps
// errBlob.
func decodeDay(day int64, b []byte) ([]ledger.Slot, error) {
	if len(b) < ledgerHeader || b[0] != ledgerForm || binary.BigEndian.Uint32(b[1:]) != crc32.Checksum(b[5:], castagnoli) {
		return nil, fmt.Errorf("%w: the ledger of day %d", errBlob, day)
	}
	there, flagged := binary.LittleEndian.Uint64(b[5:]), binary.LittleEndian.Uint64(b[13:])
	if there>>48 != 0 || flagged&^there != 0 {
		return nil, fmt.Errorf("%w: the ledger of day %d has half hours beyond its end", errBlob, day)
	}
	slots := make([]ledger.Slot, 0, bits.OnesCount64(there))
	rest := b[ledgerHeader:]
	for n := range int64(48) {
		if there>>n&1 == 0 {
			continue
		}
		s := ledger.Slot{Start: day*daySeconds + n*ledger.SlotSeconds}
		if flagged>>n&1 == 1 {
			f, k := binary.Uvarint(rest)
			if k <= 0 || f > math.MaxUint16 {
				return nil, fmt.Errorf("%w: flags in the ledger of day %d", errBlob, day)
			}
			s.Flags, rest = ledger.Flags(f), rest[k:]
		}
		slots = append(slots, s)
	}
	for i := range slots {
		e, k := binary.Varint(rest)
		if k <= 0 {
			return nil, fmt.Errorf("%w: energy in the ledger of day %d", errBlob, day)
		}
		slots[i].Energy, rest = ledger.Energy(e), rest[k:]
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("%w: the ledger of day %d is too long", errBlob, day)
	}
	return slots, nil
}
