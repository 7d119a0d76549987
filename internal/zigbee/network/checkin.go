package network

import (
	"context"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// A device with the Poll Control cluster says now and then that it is awake and
// asks whether it should poll faster for a while. Source: ZCL8 §3.16.

// Commands of the Poll Control cluster.
const (
	pollCheckIn  = 0x00 // from the device; the answer to it has the same number
	pollFastStop = 0x01 // to the device
)

// fastPollFor bounds how long a device is kept awake for what waits for it.
const fastPollFor = 30 * time.Second

func isCheckIn(cluster uint16, f zcl.Frame) bool {
	return f.ClusterSpecific && f.FromServer && cluster == zcl.ClusterPollControl && f.Command == pollCheckIn
}

// checkedIn answers a check-in: poll faster when something waits for the
// device, then what waits, then enough.
func (n *Network) checkedIn(s *session, d *member, m ezsp.IncomingMessage, q zcl.Frame) {
	n.mu.Lock()
	waits := d.pending > 0 || d.working
	n.mu.Unlock()
	// 1 byte start, 2 bytes time-out in quarter seconds; 0 is the device's own.
	answer := zcl.Frame{ClusterSpecific: true, DisableDefaultResponse: true, Seq: q.Seq, Command: pollCheckIn,
		Manufacturer: q.Manufacturer, Payload: []byte{0, 0, 0}}
	if !waits {
		s.reply(m.Sender, m.APS.Source, m.APS.Cluster, answer)
		return
	}
	answer.Payload[0] = 1
	s.spawn(func(ctx context.Context) {
		address := zclAddress(m.APS.Source, m.APS.Cluster)
		if _, err := s.unicast(ctx, m.Sender, address, answer.Append(nil), nil, n.timing.Request); err != nil {
			n.log.Debug("a check-in was not answered", "device", d.EUI64, "err", err)
		}
		n.mu.Lock()
		d.wake()
		n.mu.Unlock()
		for end := time.Now().Add(fastPollFor); time.Now().Before(end); {
			if sleep(ctx, fastPollFor/60) != nil {
				return
			}
			n.mu.Lock()
			done := d.pending == 0 && !d.working
			n.mu.Unlock()
			if done {
				break
			}
		}
		stop := zcl.Frame{ClusterSpecific: true, DisableDefaultResponse: true, Seq: s.nextZCL(), Command: pollFastStop}
		if _, err := s.unicast(ctx, m.Sender, address, stop.Append(nil), nil, n.timing.Request); err != nil {
			n.log.Debug("a device was not told to poll less", "device", d.EUI64, "err", err)
		}
	})
}
