package ezsp

import "context"

// Counters are what the NCP's stack has counted since its start, or since they
// were last cleared (UG100: EmberCounterType). Each wraps at 65,535.
type Counters []uint16

// Names of the counters that tell of the network's health.
const (
	CounterMACReceiveBroadcast      = 0
	CounterMACTransmitBroadcast     = 1
	CounterMACReceiveUnicast        = 2
	CounterMACTransmitUnicast       = 3
	CounterMACTransmitUnicastRetry  = 4
	CounterMACTransmitUnicastFailed = 5
	CounterAPSReceiveUnicast        = 8
	CounterAPSTransmitUnicast       = 9
	CounterAPSTransmitUnicastRetry  = 10
	CounterAPSTransmitUnicastFailed = 11
	CounterRouteDiscovery           = 12
	CounterAllocateFailed           = 17
	CounterASHOverflow              = 18
	CounterASHFramingError          = 19
	CounterASHOverrun               = 20
	CounterNetworkFrameCounterFail  = 21
	CounterPacketValidateDropped    = 25
	CounterBroadcastTableFull       = 31
)

// Get gives a counter, 0 when the firmware has none of that kind.
func (c Counters) Get(i int) uint16 {
	if i < 0 || i >= len(c) {
		return 0
	}
	return c[i]
}

// counters takes what is there: firmware has added some with time.
func counters(c *coder, v *Counters) {
	for c.write && len(*v) > 0 || !c.write && len(c.b) >= 2 {
		var n uint16
		if c.write {
			n, *v = (*v)[0], (*v)[1:]
		}
		u16(c, &n)
		if !c.write {
			*v = append(*v, n)
		}
	}
}

var (
	cmdReadCounters         = command[nothing, Counters]{id: 0x00F1, name: "readCounters", answer: layout[Counters]{all(counters)}}
	cmdReadAndClearCounters = command[nothing, Counters]{id: 0x0065, name: "readAndClearCounters", answer: layout[Counters]{all(counters)}}
)

// Counters reads them.
func (c *Conn) Counters(ctx context.Context) (Counters, error) {
	return cmdReadCounters.call(ctx, c, nothing{})
}

// ReadAndClearCounters reads them and starts them anew.
func (c *Conn) ReadAndClearCounters(ctx context.Context) (Counters, error) {
	return cmdReadAndClearCounters.call(ctx, c, nothing{})
}
