package ezsp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ChannelEnergy is what was heard on a channel: the strongest signal, in dBm.
type ChannelEnergy struct {
	Channel uint8
	RSSI    int8
}

// FoundNetwork is a network that has answered an active scan.
type FoundNetwork struct {
	Channel       uint8
	PANID         uint16
	ExtendedPANID uint64
	PermitJoin    bool
	StackProfile  uint8
	UpdateID      uint8
	LQI           uint8
	RSSI          int8 // dBm
}

type energyResult struct{ ChannelEnergy }

type networkFound struct{ FoundNetwork }

type scanComplete struct {
	Channel uint8
	Status  Status
}

var (
	energyResultLayout = layout[energyResult]{all(func(c *coder, v *energyResult) { u8(c, &v.Channel); u8(c, &v.RSSI) })}

	networkFoundLayout = layout[networkFound]{all(func(c *coder, v *networkFound) {
		u8(c, &v.Channel)
		u16(c, &v.PANID)
		u64(c, &v.ExtendedPANID)
		flag8(c, &v.PermitJoin)
		u8(c, &v.StackProfile)
		u8(c, &v.UpdateID)
		u8(c, &v.LQI)
		u8(c, &v.RSSI)
	})}

	scanCompleteLayout = layout[scanComplete]{all(func(c *coder, v *scanComplete) { u8(c, &v.Channel); emberStatus(c, &v.Status) })}
)

// maxScan bounds what one scan may find.
const maxScan = 1024

// scan gathers what a scan reports until it is complete.
type scan struct {
	mu       sync.Mutex
	running  bool
	energy   []ChannelEnergy
	networks []FoundNetwork
	done     chan Status
}

var errScanning = errors.New("the dongle is scanning already: try again when that is done")

func (s *scan) begin() (<-chan Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return nil, errScanning
	}
	s.running, s.energy, s.networks, s.done = true, nil, nil, make(chan Status, 1)
	return s.done, nil
}

func (s *scan) end() ([]ChannelEnergy, []FoundNetwork) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = false
	return s.energy, s.networks
}

// take keeps a callback that belongs to a scan. What comes when none runs is
// dropped: its asker has gone.
func (s *scan) take(cb Callback) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch v := cb.(type) {
	case energyResult:
		if s.running && len(s.energy) < maxScan {
			s.energy = append(s.energy, v.ChannelEnergy)
		}
	case networkFound:
		if s.running && len(s.networks) < maxScan {
			s.networks = append(s.networks, v.FoundNetwork)
		}
	case scanComplete:
		// One with a channel says that this channel could not be scanned; the
		// last says that all is done.
		if s.running && (v.Status.OK() || v.Channel == 0) {
			select {
			case s.done <- v.Status:
			default:
			}
		}
	default:
		return false
	}
	return true
}

const (
	energyScan = 0
	activeScan = 1
)

type startScan struct {
	Type     uint8
	Channels uint32
	Duration uint8
}

var (
	cmdStartScan = command[startScan, Status]{id: 0x001A, name: "startScan",
		ask: layout[startScan]{all(func(c *coder, v *startScan) {
			u8(c, &v.Type)
			u32(c, &v.Channels)
			u8(c, &v.Duration)
		})},
		answer: layout[Status]{all(scanStatus)}}
	cmdStopScan = command[nothing, Status]{id: 0x001D, name: "stopScan", answer: emberReply}
)

// EnergyScan measures the energy on channels, a bit for each, and gives what it
// finds in the order in which the NCP reports it; a channel may be there more
// than once. Each channel takes 2^duration + 1 periods of 15.36 ms; duration
// is 0 to 14. The NCP neither sends nor hears its network meanwhile.
func (c *Conn) EnergyScan(ctx context.Context, channels uint32, duration uint8) ([]ChannelEnergy, error) {
	found, _, err := c.scanFor(ctx, startScan{energyScan, channels, duration})
	return found, err
}

// ActiveScan asks on channels, a bit for each, which networks are there.
func (c *Conn) ActiveScan(ctx context.Context, channels uint32, duration uint8) ([]FoundNetwork, error) {
	_, found, err := c.scanFor(ctx, startScan{activeScan, channels, duration})
	return found, err
}

func (c *Conn) scanFor(ctx context.Context, q startScan) ([]ChannelEnergy, []FoundNetwork, error) {
	done, err := c.scan.begin()
	if err != nil {
		return nil, nil, err
	}
	defer c.scan.end()
	if err := do(ctx, c, &cmdStartScan, q); err != nil {
		return nil, nil, err
	}
	select {
	case s := <-done:
		if !s.OK() {
			return nil, nil, &StatusError{cmdStartScan.name, s}
		}
		energy, networks := c.scan.end()
		return energy, networks, nil
	case <-c.done:
		return nil, nil, c.err
	case <-ctx.Done():
		// The NCP should hear its network again.
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := do(stop, c, &cmdStopScan, nothing{}); err != nil {
			c.log.Debug("ezsp: a scan that nobody waits for any more could not be stopped", "err", err)
		}
		return nil, nil, fmt.Errorf("scanning: %w", context.Cause(ctx))
	}
}
