package node

import (
	"encoding/binary"
	"slices"
)

// clusterOTA is the over-the-air upgrade cluster; devices are its clients.
const clusterOTA = 0x0019

// receiveFromServer takes what a server of the coordinator sends to a client of
// the device: a notice that there may be a newer firmware is answered by what
// the device runs (ZCL sections 11.13.3 and 11.13.4). Answers to what the
// device asked end here.
func (n *Node) receiveFromServer(r request) {
	const imageNotify, queryNextImage, noImage = 0x00, 0x01, 0x98
	if r.control&fcTypeMask == 0 && r.command == cmdRead && r.unicast && slices.Contains(r.endpoint.Out, r.frame.Cluster) {
		// The clients here have no attributes, and say so.
		if answer, ok := readAttributes(&Cluster{ID: r.frame.Cluster}, r); ok {
			n.respond(r, cmdReadResponse, answer)
		}
		return
	}
	if r.control&fcTypeMask != fcClusterCommand || r.frame.Cluster != clusterOTA || r.command != imageNotify ||
		!slices.Contains(r.endpoint.Out, clusterOTA) || len(r.payload) < 2 {
		return
	}
	if n.o.Image == (Image{}) {
		n.defaultResponse(r, noImage)
		return
	}
	b := []byte{0} // no hardware version follows
	b = binary.LittleEndian.AppendUint16(b, n.o.Manufacturer)
	b = binary.LittleEndian.AppendUint16(b, n.o.Image.Type)
	b = binary.LittleEndian.AppendUint32(b, n.o.Image.Version)
	n.respondWith(r, fcClusterCommand, queryNextImage, b)
}
