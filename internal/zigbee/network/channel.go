package network

import (
	"context"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zdo"
)

// ChannelEnergy is how loud it is on a channel.
type ChannelEnergy struct {
	Channel uint8
	RSSI    int8 // dBm, the loudest that was measured: -90 is quiet, -60 loud
}

const (
	// scanDuration is 2^4+1 times 15.36 ms on each channel: 4.2 s in all, during
	// which the dongle hears nothing else.
	scanDuration = 4
	// The stack waits for a broadcast to have passed (9 s) before it moves.
	moveTimeout = 30 * time.Second
	moveLook    = time.Second
)

// EnergyScan measures how loud it is on each channel, in the order of the
// channels. The dongle is deaf for some seconds meanwhile.
func (n *Network) EnergyScan(ctx context.Context) ([]ChannelEnergy, error) {
	s, err := n.up()
	if err != nil {
		return nil, err
	}
	found, err := s.ez.EnergyScan(ctx, allChannels, scanDuration)
	if err != nil {
		return nil, fmt.Errorf("scanning the channels: %w", err)
	}
	loudest := make(map[uint8]int8)
	for _, e := range found { // a channel may have been measured more than once
		if rssi, ok := loudest[e.Channel]; !ok || e.RSSI > rssi {
			loudest[e.Channel] = e.RSSI
		}
	}
	var list []ChannelEnergy
	for _, channel := range slices.Sorted(maps.Keys(loudest)) {
		list = append(list, ChannelEnergy{channel, loudest[channel]})
	}
	return list, nil
}

// ChangeChannel moves the network with all its devices to another channel (11
// to 26). Devices that sleep, or were out of reach, find the network again
// within minutes; a few must be paired again.
func (n *Network) ChangeChannel(ctx context.Context, channel uint8) error {
	if channel < 11 || channel > 26 {
		return &Error{
			Message: fmt.Sprintf("zigbee channel %d does not exist", channel),
			Advice:  "choose a channel from 11 to 26; 11, 15, 20 and 25 keep clear of most Wi-Fi",
		}
	}
	s, err := n.up()
	if err != nil {
		return err
	}
	_, p, err := s.ez.NetworkParameters(ctx)
	if err != nil {
		return err
	}
	if p.Channel == channel {
		return nil
	}
	n.log.Info("the network moves to another channel", "was", p.Channel, "channel", channel)
	// Everyone is told, ourselves included: the stack follows its own broadcast.
	q := zdo.NWKUpdateRequest{Channels: 1 << channel, Duration: zdo.UpdateChannel, UpdateID: p.UpdateID + 1}
	if bits.OnesCount32(q.Channels&allChannels) != 1 {
		return fmt.Errorf("zigbee channel %d does not exist", channel)
	}
	if err := s.broadcast(ctx, toEveryone, q); err != nil {
		return fmt.Errorf("telling the devices of the new channel: %w", err)
	}
	if err := n.followed(ctx, s, channel); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.putLocked(Event{Kind: StateChanged, Info: n.infoLocked()})
	return nil
}

// toEveryone is the broadcast address of all nodes (Zigbee specification
// 3.6.5).
const toEveryone = 0xFFFF

// followed waits until the dongle is on the channel, and saves that.
func (n *Network) followed(ctx context.Context, s *session, channel uint8) error {
	forced := false
	for start := time.Now(); ; {
		if err := sleep(ctx, moveLook); err != nil {
			return err
		}
		_, p, err := s.ez.NetworkParameters(ctx)
		if err != nil {
			return err
		}
		if p.Channel == channel {
			n.mu.Lock()
			if n.saved == nil {
				n.mu.Unlock()
				return nil
			}
			now := *n.saved
			n.mu.Unlock()
			now.Channel, now.UpdateID = p.Channel, p.UpdateID
			return n.adopt(&now)
		}
		if waited := time.Since(start); waited > moveTimeout {
			return &Error{
				Message: fmt.Sprintf("the dongle stays on channel %d", p.Channel),
				Advice:  "restart it and try again",
			}
		} else if waited > moveTimeout/2 && !forced { // a stack that does not follow by itself
			forced = true
			if err := s.ez.SetChannel(ctx, channel); err != nil {
				n.log.Debug("the dongle does not take a channel", "err", err)
			}
		}
	}
}
