package network

import (
	"encoding/binary"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Tuya's devices expect of a gateway that it tells them the time, that it is
// connected, and that it asks for the version of their microcontroller. Source:
// Tuya's Zigbee serial protocol.

// Commands of the cluster 0xEF00 that are no datapoints.
const (
	tuyaVersionRequest = 0x10 // to the device
	tuyaVersion        = 0x11 // from the device
	tuyaTime           = 0x24 // both ways
	tuyaStatus         = 0x25 // both ways
)

// tuyaAsk is how often a device is asked for its version at most: the answer
// has the same number as the device's own word.
const tuyaAsk = time.Hour

// answerTuya is our answer to what a Tuya device asks; ok is false when there
// is none.
func answerTuya(q zcl.Frame, now time.Time, epoch int64, mayAsk bool) (r zcl.Frame, ok bool) {
	r = zcl.Frame{ClusterSpecific: true, DisableDefaultResponse: true, Seq: q.Seq, Command: q.Command}
	switch q.Command {
	case tuyaVersion:
		if !mayAsk || len(q.Payload) < 2 {
			return r, false
		}
		r.Command, r.Payload = tuyaVersionRequest, append([]byte(nil), q.Payload[:2]...)
	case tuyaTime:
		_, offset := now.Zone()
		utc := now.Unix() - epoch
		r.Payload = binary.LittleEndian.AppendUint16(nil, 8)
		r.Payload = binary.BigEndian.AppendUint32(r.Payload, uint32(utc))
		r.Payload = binary.BigEndian.AppendUint32(r.Payload, uint32(utc+int64(offset)))
	case tuyaStatus:
		r.Payload = []byte{1, 0, 1} // one byte: connected
	default:
		return r, false
	}
	return r, true
}

// answerTuya is our answer to a device.
func (n *Network) answerTuya(d *member, q zcl.Frame) (zcl.Frame, bool) {
	n.mu.Lock()
	epoch := int64(0)
	if n.modelOf(d).Info().CountsFrom2000 {
		epoch = secondsToZCLEpoch
	}
	mayAsk := time.Since(d.tuyaAsked) >= tuyaAsk
	if mayAsk && q.Command == tuyaVersion {
		d.tuyaAsked = time.Now()
	}
	n.mu.Unlock()
	return answerTuya(q, time.Now(), epoch, mayAsk)
}
