package ncp

import "github.com/smartcore-ireland/hems/internal/simulator/radio"

// tokenRestored is the token of an address that was taken from another
// co-processor. It counts from the next reset on, unless it is blank.
const (
	tokenRestored = 0x0000E12A
	blankEUI64    = radio.EUI64(1<<64 - 1)
)

func getTokenData(n *NCP, in *reader, out *writer) {
	token, index := in.u32(), in.u32()
	if in.bad() {
		return
	}
	if token != tokenRestored || index != 0 {
		out.status(statusNotFound)
		return
	}
	v := n.memory.EUI64
	if v == 0 {
		v = blankEUI64
	}
	out.status(statusOK)
	out.u32(8)
	out.u64(uint64(v))
}

func setTokenData(n *NCP, in *reader, out *writer) {
	token, index, length := in.u32(), in.u32(), in.u32()
	value := in.bytes(int(min(length, 255)))
	if in.bad() {
		return
	}
	if token != tokenRestored || index != 0 || length != 8 {
		out.status(statusBadArgument)
		return
	}
	n.memory.EUI64 = radio.EUI64((&reader{rest: value}).u64())
	n.o.Changed()
	out.status(statusOK)
}

// own is the address from this reset on.
func (n *NCP) own() radio.EUI64 {
	if e := n.memory.EUI64; e != 0 && e != blankEUI64 {
		return e
	}
	return n.o.EUI64
}
