package network

import (
	"context"
	"errors"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
	"github.com/smartcore-ireland/hems/internal/zigbee/zdo"
)

// profileZDO is the profile of the device objects.
const profileZDO = 0x0000

// clusterTuya is where Tuya devices keep all that they have, as datapoints.
const clusterTuya = 0xEF00

// maxAsking bounds how many unknown senders are asked at once who they are.
const maxAsking = 8

// incoming takes a message from a device. It runs on the session's only
// receiving goroutine and so never waits.
func (n *Network) incoming(s *session, m ezsp.IncomingMessage) {
	switch m.Type {
	case ezsp.MulticastLoopback, ezsp.BroadcastLoopback:
		return
	}
	if m.Sender == 0 { // the dongle's own answers
		if m.APS.Profile == profileZDO && len(m.Payload) > 0 {
			s.answered(m, m.Payload[0])
		}
		return
	}
	switch m.APS.Profile {
	case profileZDO:
		n.incomingZDO(s, m)
		return
	case zcl.ProfileGreenPower: // no such devices are known here
		return
	}
	n.stats.messages.Add(1)
	n.mu.Lock()
	d := n.nodes[m.Sender]
	if d == nil && n.devices[m.EUI64] != nil && isNode(m.Sender) { // the NCP says who it is
		d, _ = n.place(m.EUI64, m.Sender)
	}
	if d == nil {
		n.stats.unknown.Add(1)
		n.askWho(s, m)
		n.mu.Unlock()
		return
	}
	n.heard(s, d, m)
	n.mu.Unlock()
	n.incomingZCL(s, d, m)
}

// heard notes that a device has spoken. n.mu is held.
func (n *Network) heard(s *session, d *member, m ezsp.IncomingMessage) {
	d.LinkQuality = m.LQI
	n.alive(d)
	n.onboard(s, d)
	if m.APS.Cluster != zcl.ClusterPollControl { // its check-in is answered first
		d.wake()
	}
}

func (n *Network) incomingZDO(s *session, m ezsp.IncomingMessage) {
	n.mu.Lock()
	if d := n.nodes[m.Sender]; d != nil {
		d.LinkQuality = m.LQI
		n.alive(d)
	}
	n.mu.Unlock()
	if m.APS.Cluster == zdo.ResponseTo(zdo.ClusterNWKAddrRequest) {
		if _, r, err := zdo.Parse(m.APS.Cluster, m.Payload); err == nil {
			if a, ok := r.(zdo.NWKAddrResponse); ok && a.Status == zdo.StatusSuccess {
				n.moved(a.EUI64, a.NWKAddr)
			}
		}
	}
	if zdo.IsResponse(m.APS.Cluster) {
		if len(m.Payload) > 0 {
			s.answered(m, m.Payload[0])
		}
		return
	}
	if m.APS.Cluster != zdo.ClusterDeviceAnnounce {
		return // the stack answers for itself
	}
	_, msg, err := zdo.Parse(m.APS.Cluster, m.Payload)
	a, ok := msg.(zdo.DeviceAnnounce)
	if err != nil || !ok {
		n.malformed("an announcement makes no sense", m, err)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.announced(s, a)
}

func (n *Network) incomingZCL(s *session, d *member, m ezsp.IncomingMessage) {
	f, err := zcl.Parse(m.Payload)
	if err != nil {
		n.malformed("a message makes no sense", m, err)
		return
	}
	msg := &Message{Endpoint: m.APS.Source, Cluster: m.APS.Cluster, Frame: f, LQI: m.LQI, RSSI: m.RSSI}
	if !f.ClusterSpecific {
		switch f.Command {
		case zcl.CommandReport:
			msg.Attributes, err = zcl.ParseReport(f.Payload)
		case zcl.CommandReadResponse:
			msg.Attributes, err = zcl.ParseReadResponse(f.Payload)
		}
		if err != nil { // what came before the fault is as good as any
			n.malformed("a message ends in nonsense", m, err)
		}
	}
	if f.ClusterSpecific || len(msg.Attributes) > 0 {
		n.mu.Lock()
		if n.devices[d.EUI64] == d {
			n.learn(d, msg)
			e := d.event(MessageReceived)
			e.Message = msg
			n.putLocked(e)
		}
		n.mu.Unlock()
	}
	// Who has asked goes on only now: what it tells of comes after the message.
	asked := false
	if f.FromServer || f.Command == zcl.CommandDefaultResponse {
		asked = s.answered(m, f.Seq)
	}
	if isCheckIn(m.APS.Cluster, f) && !asked {
		n.checkedIn(s, d, m, f)
		return
	}
	if asked || m.Type != ezsp.Unicast {
		return
	}
	if f.ClusterSpecific && f.FromServer && m.APS.Cluster == clusterTuya {
		if r, ok := n.answerTuya(d, f); ok {
			s.reply(m.Sender, m.APS.Source, m.APS.Cluster, r)
			return
		}
	}
	if r, ok := answerFor(m.APS.Cluster, f); ok {
		s.reply(m.Sender, m.APS.Source, m.APS.Cluster, r)
	}
}

// malformed counts a message that cannot be read, and logs it now and then.
func (n *Network) malformed(what string, m ezsp.IncomingMessage, err error) {
	n.stats.malformed.Add(1)
	if n.noise.ok(what) {
		n.log.Debug(what, "node", hex16(m.Sender), "cluster", hex16(m.APS.Cluster), "err", err,
			"malformed so far", n.stats.malformed.Load())
	}
}

// askWho finds out which device an unknown sender is, and then takes its
// message. n.mu is held.
func (n *Network) askWho(s *session, m ezsp.IncomingMessage) {
	if !isNode(m.Sender) || s.asking[m.Sender] || len(s.asking) >= maxAsking {
		return
	}
	s.asking[m.Sender] = true
	s.spawn(func(ctx context.Context) {
		e, err := s.lookup(ctx, m.Sender)
		if err != nil {
			if n.noise.ok("unknown device") {
				n.log.Debug("an unknown device does not say who it is", "node", hex16(m.Sender), "err", err)
			}
			if sleep(ctx, n.timing.Request) != nil { // it is not asked again at once
				return
			}
		}
		n.mu.Lock()
		delete(s.asking, m.Sender)
		var d *member
		if err == nil && e != s.eui64 && e != zcl.EUI64None && e != zcl.EUI64Any {
			var fresh bool
			if d, fresh = n.place(e, m.Sender); d != nil {
				if fresh {
					n.log.Info("a device of this network was not known", "device", e, "node", hex16(m.Sender))
					n.putLocked(d.event(Joined))
				}
				n.heard(s, d, m)
			}
		}
		n.mu.Unlock()
		if d != nil {
			n.incomingZCL(s, d, m)
		}
	})
}

// lookup gets the address of a node: from the NCP if it has it, else from the
// node.
func (s *session) lookup(ctx context.Context, node uint16) (zcl.EUI64, error) {
	if e, err := s.ez.LookupEUI64(ctx, node); err == nil && e != zcl.EUI64None && e != zcl.EUI64Any {
		return e, nil
	}
	r, err := s.ask(ctx, node, zdo.IEEEAddrRequest{NWKAddr: node}, s.n.timing.SleepyRequest)
	if err != nil {
		return 0, err
	}
	a, ok := r.(zdo.IEEEAddrResponse)
	if !ok || a.Status != 0 {
		return 0, errors.New("it refuses to tell its address")
	}
	return a.EUI64, nil
}

// Commands and attributes of the clusters that we answer for.
const (
	timeUTC           = 0x0000
	timeStatus        = 0x0001
	timeLocal         = 0x0007
	timeIsSetAndTold  = 0x02 // bit 1: synchronised
	secondsToZCLEpoch = 946684800
)

// answerFor is our answer to what a device has sent by itself.
func answerFor(cluster uint16, q zcl.Frame) (zcl.Frame, bool) {
	switch {
	case !q.ClusterSpecific && q.Command == zcl.CommandRead && !q.FromServer:
		ids, err := zcl.ParseReadAttributes(q.Payload)
		if err != nil {
			return zcl.DefaultResponse(q, zcl.StatusMalformed), true
		}
		return zcl.ReadResponse(q, ourAttributes(cluster, q.Manufacturer, ids, time.Now())), true
	case q.ClusterSpecific && cluster == clusterIASZone && q.FromServer && q.Command == iasEnrollRequest:
		return zcl.Frame{ClusterSpecific: true, DisableDefaultResponse: true, Seq: q.Seq, Command: iasEnrollResponse,
			Manufacturer: q.Manufacturer, Payload: []byte{0, iasZoneID}}, true
	case q.WantsDefaultResponse():
		return zcl.DefaultResponse(q, zcl.StatusSuccess), true
	}
	return zcl.Frame{}, false
}

// ourAttributes are what a device can read from us: the time.
func ourAttributes(cluster, manufacturer uint16, ids []uint16, now time.Time) []zcl.Attribute {
	var list []zcl.Attribute
	_, offset := now.Zone()
	utc := uint64(now.Unix() - secondsToZCLEpoch)
	for _, id := range ids {
		a := zcl.Attribute{ID: id}
		switch {
		case cluster != zcl.ClusterTime || manufacturer != 0:
			a.Status = zcl.StatusUnsupportedAttr
		case id == timeUTC:
			a.Value = zcl.Number(zcl.UTCTime, utc)
		case id == timeStatus:
			a.Value = zcl.Number(zcl.Bitmap8, timeIsSetAndTold)
		case id == timeLocal:
			a.Value = zcl.Number(zcl.Uint32, utc+uint64(offset))
		default:
			a.Status = zcl.StatusUnsupportedAttr
		}
		list = append(list, a)
	}
	return list
}
