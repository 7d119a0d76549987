package network

import (
	"context"
	"fmt"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// ReadReporting asks a device when it reports attributes of a cluster. Those
// that it does not report come with their status. Source: ZCL8 §2.5.9.
func (n *Network) ReadReporting(ctx context.Context, e zcl.EUI64, endpoint uint8, cluster, manufacturer uint16, ids ...uint16) (list []zcl.ReportingState, err error) {
	err = n.whenAwake(ctx, e, func(ctx context.Context, s *session, d *member) error {
		q := zcl.ReadReportingConfig(ids...)
		q.Manufacturer = manufacturer
		r, err := n.requestDevice(ctx, s, d, endpoint, cluster, q)
		if err != nil {
			return err
		}
		if r.ClusterSpecific || r.Command != zcl.CommandReadReportingConfigResponse {
			return errOddAnswer
		}
		if list, err = zcl.ParseReadReportingConfigResponse(r.Payload); err != nil {
			return fmt.Errorf("the device's answer makes no sense: %w", err)
		}
		return nil
	})
	return list, err
}
