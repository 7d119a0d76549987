package ezsp

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// The token of the address that an NCP has taken from another: while it is not
// blank it is the NCP's own. It can be written again and again, unlike the
// manufacturer's custom address, which is written once for all and is left alone
// here. Firmware from EmberZNet 7.1.3 on has it, under one of two keys: as an
// NCP and with its stack on the host.
var restoredEUI64Tokens = []uint32{0x0000E12A, 0x0001E12A}

type tokenData struct {
	Key, Index uint32
	Value      []byte
}

type statusToken struct {
	Status Status
	Value  []byte
}

// maxToken bounds a token's value, in bytes: no frame holds more.
const maxToken = 220

// bytes32 is a byte string with its length in four bytes before it.
func bytes32(c *coder, p *[]byte) {
	n := uint32(len(*p))
	u32(c, &n)
	if n > maxToken {
		c.err = fmt.Errorf("a token of %d bytes, at most %d make sense", n, maxToken)
		return
	}
	if c.write {
		c.b = append(c.b, *p...)
	} else if b := c.take(int(n)); b != nil {
		*p = append([]byte(nil), b...)
	}
}

var (
	tokenVersions   = versions{first: 9}
	cmdGetTokenData = command[tokenData, statusToken]{id: 0x0102, name: "getTokenData", has: tokenVersions,
		ask: layout[tokenData]{all(func(c *coder, v *tokenData) { u32(c, &v.Key); u32(c, &v.Index) })},
		answer: layout[statusToken]{all(func(c *coder, v *statusToken) {
			if emberStatus(c, &v.Status); c.err == nil && v.Status.OK() { // else there may be nothing more
				bytes32(c, &v.Value)
			}
		})}}
	cmdSetTokenData = command[tokenData, Status]{id: 0x0103, name: "setTokenData", has: tokenVersions,
		ask:    layout[tokenData]{all(func(c *coder, v *tokenData) { u32(c, &v.Key); u32(c, &v.Index); bytes32(c, &v.Value) })},
		answer: emberReply}
)

// RestoreEUI64 gives the NCP another address than its own, from its next reset
// on: that of the one whose place it takes. EUI64Any gives it its own back. The
// error is an ErrUnsupported when the firmware cannot do that.
func (c *Conn) RestoreEUI64(ctx context.Context, e zcl.EUI64) error {
	for _, key := range restoredEUI64Tokens {
		r, err := cmdGetTokenData.call(ctx, c, tokenData{Key: key})
		if err != nil && c.Err() != nil {
			return err
		}
		if err != nil || !r.Status.OK() || len(r.Value) != 8 {
			continue
		}
		return do(ctx, c, &cmdSetTokenData, tokenData{Key: key, Value: binary.LittleEndian.AppendUint64(nil, uint64(e))})
	}
	return ErrUnsupported{"an address that is restored", c.Version()}
}
