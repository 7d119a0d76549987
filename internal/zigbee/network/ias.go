package network

import (
	"context"
	"errors"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// A device of the IAS Zone cluster (smoke, water, doors, motion) must be told to
// whom it belongs before it says anything. Source: ZCL8 §8.2.

const clusterIASZone = 0x0500

// Attributes and commands of the cluster.
const (
	iasState          = 0x0000
	iasEnrolled       = 0x01
	iasCIEAddress     = 0x0010
	iasEnrollRequest  = 0x01 // from the device
	iasEnrollResponse = 0x00 // to the device
	iasZoneID         = 23   // any will do, as nobody else gives zones here
)

const (
	iasPause = 500 * time.Millisecond
	iasLooks = 20
)

// enrol makes a zone ours.
func (n *Network) enrol(ctx context.Context, s *session, d *member, endpoint uint8) error {
	mine := func() (enrolled bool, err error) {
		list, err := n.readDevice(ctx, s, d, endpoint, clusterIASZone, 0, []uint16{iasState, iasCIEAddress})
		if err != nil {
			return false, err
		}
		var state, cie uint64
		for _, a := range list {
			switch a.ID {
			case iasState:
				state = a.Value.Raw()
			case iasCIEAddress:
				cie = a.Value.Raw()
			}
		}
		return state == iasEnrolled && zcl.EUI64(cie) == s.eui64, nil
	}
	if enrolled, err := mine(); err != nil && mayPass(err) || enrolled {
		return err
	}
	err := n.writeDevice(ctx, s, d, endpoint, clusterIASZone, 0,
		[]zcl.Attribute{{ID: iasCIEAddress, Value: zcl.Number(zcl.IEEEAddress, uint64(s.eui64))}})
	if err != nil {
		return err
	}
	if err := sleep(ctx, iasPause); err != nil {
		return err
	}
	// Some wait for this unasked; others ask, and are answered by answerFor.
	_, err = n.commandDevice(ctx, s, d, Command{Endpoint: endpoint, Cluster: clusterIASZone, ID: iasEnrollResponse,
		Payload: []byte{0, iasZoneID}, NoAnswer: true})
	if err != nil && mayPass(err) {
		return err
	}
	for range iasLooks {
		if enrolled, err := mine(); err != nil || enrolled {
			return err
		}
		if err := sleep(ctx, iasPause); err != nil {
			return err
		}
	}
	return errors.New("the device does not enrol")
}
