package ezsp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// checked turns a reply that is a status into an error.
func checked(name string, s Status, err error) error {
	if err == nil && !s.OK() {
		err = &StatusError{name, s}
	}
	return err
}

// do calls a command whose reply is a status.
func do[Q any](ctx context.Context, c *Conn, cmd *command[Q, Status], q Q) error {
	s, err := cmd.call(ctx, c, q)
	return checked(cmd.name, s, err)
}

// Nop does nothing but prove that the NCP is alive.
func (c *Conn) Nop(ctx context.Context) error {
	_, err := cmdNop.call(ctx, c, nothing{})
	return err
}

// Means reports whether err is a StatusError with that meaning.
func Means(err error, m Meaning) bool {
	var st *StatusError
	return errors.As(err, &st) && st.Status.Is(m)
}

// SetConfigurationValue sets one of the stack's sizes and times, before the
// network is started. ErrUnsupported says that this version has no such value.
func (c *Conn) SetConfigurationValue(ctx context.Context, id ConfigID, v uint16) error {
	if has, ok := configVersions[id]; ok && !has.include(c.dialect()) {
		return ErrUnsupported{fmt.Sprintf("configuration value 0x%02X", uint8(id)), c.Version()}
	}
	return do(ctx, c, &cmdSetConfigurationValue, idValue{uint8(id), v})
}

// ConfigurationValue gets one of the stack's sizes and times.
func (c *Conn) ConfigurationValue(ctx context.Context, id ConfigID) (uint16, error) {
	r, err := cmdGetConfigurationValue.call(ctx, c, uint8(id))
	return r.Value, checked(cmdGetConfigurationValue.name, r.Status, err)
}

// SetPolicy sets how the NCP decides by itself.
func (c *Conn) SetPolicy(ctx context.Context, id PolicyID, decision uint8) error {
	return do(ctx, c, &cmdSetPolicy, [2]uint8{uint8(id), decision})
}

// SetValue sets a value of the stack.
func (c *Conn) SetValue(ctx context.Context, id ValueID, v []byte) error {
	return do(ctx, c, &cmdSetValue, idBytes{uint8(id), v})
}

// GetValue gets a value of the stack.
func (c *Conn) GetValue(ctx context.Context, id ValueID) ([]byte, error) {
	r, err := cmdGetValue.call(ctx, c, uint8(id))
	return r.Value, checked(cmdGetValue.name, r.Status, err)
}

// Firmware gets the version of the NCP's firmware.
func (c *Conn) Firmware(ctx context.Context) (FirmwareVersion, error) {
	b, err := c.GetValue(ctx, ValueVersionInfo)
	if err != nil {
		return FirmwareVersion{}, err
	}
	return firmwareLayout.decode(c.dialect(), b)
}

// SetManufacturerCode sets the manufacturer in the NCP's node descriptor.
func (c *Conn) SetManufacturerCode(ctx context.Context, code uint16) error {
	return do(ctx, c, &cmdSetManufacturerCode, code)
}

// AddEndpoint makes the NCP answer for an endpoint, before the network is
// started.
func (c *Conn) AddEndpoint(ctx context.Context, e Endpoint) error {
	return do(ctx, c, &cmdAddEndpoint, e)
}

// NetworkInit resumes the network that the NCP remembers. A StackStatus with
// NetworkUp follows. When it remembers none the error is a StatusError with
// NotJoined.
func (c *Conn) NetworkInit(ctx context.Context) error {
	// Parent information and rejoin reason in tokens (UG100:
	// EMBER_NETWORK_INIT_PARENT_INFO_IN_TOKEN, ..._END_DEVICE_REJOIN_ON_REBOOT).
	const bitmask = 0x0003
	return do(ctx, c, &cmdNetworkInit, bitmask)
}

// NetworkState gets whether the NCP is in a network.
func (c *Conn) NetworkState(ctx context.Context) (NetworkState, error) {
	return cmdNetworkState.call(ctx, c, nothing{})
}

// SetInitialSecurityState sets the keys of the network about to be formed.
func (c *Conn) SetInitialSecurityState(ctx context.Context, s InitialSecurity) error {
	return do(ctx, c, &cmdSetInitialSecurityState, s)
}

// FormNetwork forms a network with the NCP as its coordinator. A StackStatus
// with NetworkUp follows.
func (c *Conn) FormNetwork(ctx context.Context, p NetworkParameters) error {
	return do(ctx, c, &cmdFormNetwork, p)
}

// LeaveNetwork makes the NCP forget its network. A StackStatus with NetworkDown
// follows.
func (c *Conn) LeaveNetwork(ctx context.Context) error {
	return do(ctx, c, &cmdLeaveNetwork, nothing{})
}

// FactoryReset erases what the NCP remembers of networks: with EZSP 13 and later
// all its tokens (it must be reset afterwards), before that its link keys. The
// network must have been left.
func (c *Conn) FactoryReset(ctx context.Context) error {
	if cmdTokenFactoryReset.has.include(c.dialect()) {
		if _, err := cmdTokenFactoryReset.call(ctx, c, nothing{}); err != nil {
			return err
		}
	}
	return c.ClearKeyTable(ctx)
}

// SetExtendedSecurity sets what goes beyond InitialSecurity (UG100:
// EmberExtendedSecurityBitmask), before the network is formed.
func (c *Conn) SetExtendedSecurity(ctx context.Context, f ExtendedSecurity) error {
	return c.SetValue(ctx, ValueExtendedSecurityBitmask, binary.LittleEndian.AppendUint16(nil, uint16(f)))
}

// NodeID gets the NCP's short address: 0 for the coordinator of a network that
// is up, 0xFFFE when there is none.
func (c *Conn) NodeID(ctx context.Context) (uint16, error) {
	return cmdGetNodeID.call(ctx, c, nothing{})
}

// SetChannel moves the NCP to another channel, 11 to 26, now and for good. The
// network is not told: broadcast Mgmt_NWK_Update_req for that, upon which the
// NCP moves by itself and says so (StackStatus with ChannelChanged).
func (c *Conn) SetChannel(ctx context.Context, channel uint8) error {
	return do(ctx, c, &cmdSetChannel, channel)
}

// SetRadioPower sets with how much power the NCP sends, in dBm.
func (c *Conn) SetRadioPower(ctx context.Context, dBm int8) error {
	return do(ctx, c, &cmdSetRadioPower, dBm)
}

// MaximumPayloadLength gets how many bytes fit into one message without APS
// encryption.
func (c *Conn) MaximumPayloadLength(ctx context.Context) (int, error) {
	n, err := cmdMaximumPayloadLength.call(ctx, c, nothing{})
	return int(n), err
}

// UnicastNetworkKey sends a device the network's key again, through its parent.
func (c *Conn) UnicastNetworkKey(ctx context.Context, node uint16, e zcl.EUI64, parent uint16) error {
	return do(ctx, c, &cmdUnicastNetworkKey, keyDelivery{node, e, parent})
}

// BroadcastNextNetworkKey sends all routers the key that the network will have
// next. It is used from BroadcastNetworkKeySwitch on.
func (c *Conn) BroadcastNextNetworkKey(ctx context.Context, k Key) error {
	return do(ctx, c, &cmdBroadcastNextKey, k)
}

// BroadcastNetworkKeySwitch makes the network go over to its next key, which a
// NetworkKeySwitched tells.
func (c *Conn) BroadcastNetworkKeySwitch(ctx context.Context) error {
	return do(ctx, c, &cmdBroadcastKeySwitch, nothing{})
}

// NetworkParameters gets the network the NCP is in. The node type is 1 for its
// coordinator.
func (c *Conn) NetworkParameters(ctx context.Context) (nodeType uint8, p NetworkParameters, err error) {
	r, err := cmdGetNetworkParameters.call(ctx, c, nothing{})
	return r.NodeType, r.Parameters, checked(cmdGetNetworkParameters.name, r.Status, err)
}

// EUI64 gets the NCP's own address.
func (c *Conn) EUI64(ctx context.Context) (zcl.EUI64, error) {
	return cmdGetEUI64.call(ctx, c, nothing{})
}

// SetConcentrator sets how the NCP makes itself known to routers.
func (c *Conn) SetConcentrator(ctx context.Context, v Concentrator) error {
	return do(ctx, c, &cmdSetConcentrator, v)
}

// SetSourceRouteDiscoveryMode sets when the NCP announces itself: 0 never, 1
// when asked, 2 by itself as needed. It gives the milliseconds to the next
// time.
func (c *Conn) SetSourceRouteDiscoveryMode(ctx context.Context, mode uint8) (uint32, error) {
	return cmdSetSourceRouteDiscoveryMode.call(ctx, c, mode)
}

// PermitJoining lets devices join at the NCP for that many seconds; 0 closes
// it, 255 leaves it open.
func (c *Conn) PermitJoining(ctx context.Context, seconds uint8) error {
	return do(ctx, c, &cmdPermitJoining, seconds)
}

// LookupEUI64 gets the address of a node from what the NCP has heard.
func (c *Conn) LookupEUI64(ctx context.Context, node uint16) (zcl.EUI64, error) {
	r, err := cmdLookupEUI64.call(ctx, c, node)
	return r.EUI64, checked(cmdLookupEUI64.name, r.Status, err)
}

// SendUnicast sends a message to a node and gives the APS sequence it got. A
// MessageSent callback with the same tag says what became of it.
func (c *Conn) SendUnicast(ctx context.Context, node uint16, f APSFrame, tag uint8, payload []byte) (uint8, error) {
	const direct = 0
	r, err := cmdSendUnicast.call(ctx, c, message{Type: direct, Destination: node, APS: f, Tag: tag, Payload: payload})
	return r.Sequence, checked(cmdSendUnicast.name, r.Status, err)
}

// SendBroadcast sends a message to all nodes of a kind: 0xFFFC routers, 0xFFFD
// those that listen all the time, 0xFFFF all. A radius of 0 is the furthest.
func (c *Conn) SendBroadcast(ctx context.Context, to uint16, f APSFrame, radius, tag uint8, payload []byte) (uint8, error) {
	r, err := cmdSendBroadcast.call(ctx, c, message{Destination: to, APS: f, Radius: radius, Tag: tag, Payload: payload})
	return r.Sequence, checked(cmdSendBroadcast.name, r.Status, err)
}
