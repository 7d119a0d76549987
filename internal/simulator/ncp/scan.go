package ncp

import (
	"encoding/binary"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
	"github.com/smartcore-ireland/hems/internal/simulator/zdo"
)

// period is what the duration of a scan counts in: 960 symbols of 16 µs.
const period = 15360 * time.Microsecond

const (
	firstChannel = 11
	lastChannel  = 26
	allChannels  = 0x07FFF800
)

// startScan measures energy channel by channel, or looks for other networks, of
// which there are none.
func startScan(n *NCP, in *reader, out *writer) {
	const energy, active = 0, 1
	kind, channels, duration := in.u8(), in.u32(), in.u8()
	if in.bad() {
		return
	}
	s := statusOK
	switch {
	case n.scanning != nil:
		s = statusScanning
	case kind > active:
		s = statusBadArgument
	case channels&allChannels == 0:
		s = statusScanChannels
	case duration > 14:
		s = statusScanDuration
	}
	if out.dialect.has(scanStatus) {
		out.sl(slOf[s])
	} else {
		out.status(s)
	}
	if s != statusOK {
		return
	}
	each := (1<<duration + 1) * period
	var next func(channel uint8)
	next = func(channel uint8) {
		for channel <= lastChannel && channels>>channel&1 == 0 {
			channel++
		}
		if channel > lastChannel {
			n.scanning = n.later(0, func() {
				n.scanning = nil
				n.scanned()
			})
			return
		}
		n.scanning = n.later(each, func() {
			if kind == energy {
				n.callback(callbackEnergy, func(w *writer) {
					w.u8(channel)
					w.u8(uint8(n.energy(channel)))
				})
			}
			next(channel + 1)
		})
	}
	next(firstChannel)
}

func (n *NCP) scanned() {
	n.callback(callbackScanComplete, func(w *writer) {
		w.u8(0) // no channel has failed
		w.status(statusOK)
	})
}

func stopScan(n *NCP, in *reader, out *writer) {
	if in.bad() {
		return
	}
	out.status(statusOK)
	if n.scanning != nil {
		n.scanning()
		n.scanning = nil
		n.later(0, n.scanned)
	}
}

// energy is what is heard on a channel, in dBm: Wi-Fi on its channels 1 and 11,
// our own traffic, and noise.
func (n *NCP) energy(channel uint8) int8 {
	level := int8(-88)
	switch {
	case channel <= 14 || channel >= 21 && channel <= 24:
		level = -62
	case n.up && channel == n.memory.Network.Channel:
		level = -75
	}
	return level + int8(n.random.IntN(7)) - 3
}

func setChannel(n *NCP, in *reader, out *writer) {
	channel := in.u8()
	if in.bad() {
		return
	}
	switch {
	case channel < firstChannel || channel > lastChannel:
		out.status(statusInvalidChannel)
	case !n.up:
		out.status(statusInvalidCall)
	default:
		n.memory.Network.Channel = channel
		n.o.Changed()
		out.status(statusOK)
	}
}

func getRadioChannel(n *NCP, in *reader, out *writer) {
	if in.bad() {
		return
	}
	if n.up {
		out.u8(n.memory.Network.Channel)
	} else {
		out.u8(0xFF)
	}
}

func setCCAMode(_ *NCP, in *reader, out *writer) {
	mode := in.u8()
	if in.bad() {
		return
	}
	if mode > 3 {
		out.status(statusBadArgument)
		return
	}
	out.status(statusOK)
}

// moveDelay is when a coordinator that has told its network to change channels
// does so itself. (A real one waits for the broadcast to die down, some
// seconds.)
const moveDelay = 100 * time.Millisecond

// Values of the scan duration in Mgmt_NWK_Update_req that ask for something
// else than a scan.
const (
	changeChannel = 0xFE
	changeManager = 0xFF
)

// followed acts upon what the host has broadcast, as the stack does: a change
// of channel is for the coordinator too.
func (n *NCP) followed(f radio.Frame) {
	if f.Profile != 0 || f.Cluster != zdo.MgmtUpdate || len(f.Payload) < 7 || f.Payload[5] != changeChannel {
		return
	}
	channels, update := binary.LittleEndian.Uint32(f.Payload[1:]), f.Payload[6]
	for c := uint8(firstChannel); c <= lastChannel; c++ {
		if channels>>c&1 == 0 {
			continue
		}
		n.later(moveDelay, func() {
			if !n.up || n.memory.Network.Channel == c {
				return
			}
			n.memory.Network.Channel, n.memory.Network.UpdateID = c, update
			n.o.Changed()
			n.stackStatus(statusChannelChanged)
			n.air.Changed()
		})
		return
	}
}

// networkUpdate answers Mgmt_NWK_Update_req to ourselves: a scan of energies.
func (n *NCP) networkUpdate(request []byte) []byte {
	seq := request[0]
	if len(request) < 6 || request[5] > 5 {
		return []byte{seq, byte(zdo.NotSupported), 0, 0, 0, 0, 0, 0, 0, 0, 0}
	}
	channels := binary.LittleEndian.Uint32(request[1:]) & allChannels
	b := binary.LittleEndian.AppendUint32([]byte{seq, byte(zdo.Success)}, channels)
	b = append(b, 0, 0, 0, 0, 0) // transmissions, failures, and the count to come
	at := len(b) - 1
	for c := uint8(firstChannel); c <= lastChannel; c++ {
		if channels>>c&1 != 0 {
			// 0 is -100 dBm or less, 255 is -30 dBm or more.
			b = append(b, uint8(min(255, max(0, (int(n.energy(c))+100)*255/70))))
			b[at]++
		}
	}
	return b
}
