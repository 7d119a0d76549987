package ezsp

import (
	"context"

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

// SetConfigurationValue sets one of the stack's sizes and times, before the
// network is started.
func (c *Conn) SetConfigurationValue(ctx context.Context, id ConfigID, v uint16) error {
	return do(ctx, c, &cmdSetConfigurationValue, idValue{uint8(id), v})
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
	return firmwareLayout.decode(c.Version(), b)
}

// SetManufacturerCode sets the manufacturer in the NCP's node descriptor.
func (c *Conn) SetManufacturerCode(ctx context.Context, code uint16) error {
	_, err := cmdSetManufacturerCode.call(ctx, c, code)
	return err
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

// NetworkKeyInfo gets what goes with the network key.
func (c *Conn) NetworkKeyInfo(ctx context.Context) (KeyInfo, error) {
	r, err := cmdGetNetworkKeyInfo.call(ctx, c, nothing{})
	return r.Info, checked(cmdGetNetworkKeyInfo.name, r.Status, err)
}

// ExportKey gets a key out of the NCP.
func (c *Conn) ExportKey(ctx context.Context, t KeyType) (Key, error) {
	r, err := cmdExportKey.call(ctx, c, keyContext{uint8(t), psaCCM})
	return r.Key, checked(cmdExportKey.name, r.Status, err)
}

// ClearKeyTable forgets all link keys.
func (c *Conn) ClearKeyTable(ctx context.Context) error {
	return do(ctx, c, &cmdClearKeyTable, nothing{})
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

// ImportTransientKey sets a link key with which a device may join for a while;
// zcl.EUI64Any is any device.
func (c *Conn) ImportTransientKey(ctx context.Context, e zcl.EUI64, k Key) error {
	return do(ctx, c, &cmdImportTransientKey, transientKey{e, k})
}

// ClearTransientLinkKeys forgets them.
func (c *Conn) ClearTransientLinkKeys(ctx context.Context) error {
	_, err := cmdClearTransientLinkKeys.call(ctx, c, nothing{})
	return err
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
