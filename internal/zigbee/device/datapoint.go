package device

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Commands of Tuya's cluster 0xEF00. Devices that only speak datapoints have
// little else. Source: Tuya's "Zigbee generic interfaces".
const (
	tuyaSet          = 0x00 // to the device
	tuyaResponse     = 0x01 // from the device, an answer to set or query
	tuyaReport       = 0x02 // from the device, by itself
	tuyaQuery        = 0x03 // to the device: all datapoints
	tuyaStatus       = 0x05 // from the device
	tuyaStatusSearch = 0x06 // from the device
	tuyaMCUVersion   = 0x10 // to the device
	tuyaTime         = 0x24
)

// datapointType is the type of a datapoint's value.
type datapointType uint8

// The types. Numbers are big-endian.
const (
	dpRaw    datapointType = 0
	dpBool   datapointType = 1
	dpValue  datapointType = 2 // 4 bytes, signed
	dpString datapointType = 3
	dpEnum   datapointType = 4
	dpBitmap datapointType = 5
)

// datapoint is one value of a Tuya device.
type datapoint struct {
	id   uint8
	typ  datapointType
	data []byte
}

// errDatapoint is wrapped by errors of parseDatapoints.
var errDatapoint = errors.New("datapoints end too early")

// maxDatapoints bounds what one message can hold; a frame has room for fewer.
const maxDatapoints = 64

// parseDatapoints reads the payload of a report: a sequence number, then
// datapoints (number, type, length, data). With an error it returns what came
// before the fault too.
func parseDatapoints(p []byte) (seq uint16, list []datapoint, err error) {
	if len(p) < 2 {
		return 0, nil, fmt.Errorf("parsing datapoints of %d bytes: %w", len(p), errDatapoint)
	}
	seq, p = binary.LittleEndian.Uint16(p), p[2:]
	for len(p) > 0 && len(list) < maxDatapoints {
		if len(p) < 4 {
			return seq, list, fmt.Errorf("parsing datapoint header of %d bytes: %w", len(p), errDatapoint)
		}
		n := int(binary.BigEndian.Uint16(p[2:]))
		if len(p) < 4+n {
			return seq, list, fmt.Errorf("parsing datapoint %d of %d bytes: %w", p[0], n, errDatapoint)
		}
		list = append(list, datapoint{p[0], datapointType(p[1]), p[4 : 4+n]})
		p = p[4+n:]
	}
	return seq, list, nil
}

// appendDatapoints is the reverse of parseDatapoints.
func appendDatapoints(p []byte, seq uint16, list ...datapoint) []byte {
	p = binary.LittleEndian.AppendUint16(p, seq)
	for _, d := range list {
		p = append(p, d.id, byte(d.typ))
		p = binary.BigEndian.AppendUint16(p, uint16(len(d.data)))
		p = append(p, d.data...)
	}
	return p
}

// number is a datapoint's value as a number.
func (d datapoint) number() (int64, bool) {
	switch {
	case d.typ == dpValue && len(d.data) == 4:
		return int64(int32(binary.BigEndian.Uint32(d.data))), true
	case (d.typ == dpBool || d.typ == dpEnum || d.typ == dpValue) && len(d.data) == 1:
		return int64(d.data[0]), true
	case d.typ == dpBitmap && len(d.data) >= 1 && len(d.data) <= 4:
		var v int64
		for _, b := range d.data {
			v = v<<8 | int64(b)
		}
		return v, true
	}
	return 0, false
}

// numberPoint is a datapoint of a value, and boolPoint of a yes or no.
func numberPoint(id uint8, v int32) datapoint {
	return datapoint{id, dpValue, binary.BigEndian.AppendUint32(nil, uint32(v))}
}

func boolPoint(id uint8, v bool) datapoint {
	if v {
		return datapoint{id, dpBool, []byte{1}}
	}
	return datapoint{id, dpBool, []byte{0}}
}

// tuyaSeq counts what is sent to Tuya devices.
var tuyaSeq atomic.Uint32

// send sets a datapoint.
func (w *wish) send(d datapoint) {
	w.actions = append(w.actions, Action{Kind: Command, Endpoint: w.endpoint, Cluster: zcl.ClusterTuya, Command: tuyaSet,
		Payload: appendDatapoints(nil, uint16(tuyaSeq.Add(1)), d)})
}
