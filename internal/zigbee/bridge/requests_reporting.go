package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"

	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// maxReporting is how many attributes one request may read the configuration
// of; more do not fit into one frame to every device.
const maxReporting = 16

// endpointTarget is the endpoint of a device that a request about reporting
// means. It answers the request itself when there is none.
func (b *Bridge) endpointTarget(r request, needs ...string) (d *device, ep network.Endpoint, cluster uint16, ok bool) {
	for _, field := range append([]string{"id", "endpoint", "cluster"}, needs...) {
		if r.fields[field] == nil {
			b.fail(r, invalid("'%s' is missing", field))
			return nil, ep, 0, false
		}
	}
	d, _, ok = b.target(r)
	if !ok {
		return nil, ep, 0, false
	}
	key, err := r.ref("endpoint")
	if err == nil && key == "" {
		err = invalid("'endpoint' must be a name or a number")
	}
	if err != nil {
		b.fail(r, err)
		return nil, ep, 0, false
	}
	if ep, ok = d.endpoint(key); !ok {
		b.fail(r, refusal(fmt.Sprintf("Device '%s' does not have endpoint '%.100s'", d.EUI64, key)))
		return nil, ep, 0, false
	}
	name, err := r.ref("cluster")
	if err == nil && name == "" {
		err = invalid("'cluster' must be a name or a number")
	}
	if err == nil {
		if cluster, err = zcl.ParseCluster(name); err != nil {
			err = invalid("%v", err)
		}
	}
	if err != nil {
		b.fail(r, err)
		return nil, ep, 0, false
	}
	return d, ep, cluster, true
}

// attributeWish is an attribute in a request: its name, its number, or for one
// that the specification does not have {"ID": …, "type": …}.
func attributeWish(cluster uint16, raw json.RawMessage) (zcl.AttributeInfo, error) {
	if s, ok := refText(raw); ok && s != "" {
		a, err := zcl.ParseAttribute(cluster, s)
		if err != nil {
			return a, invalid("%v", err)
		}
		return a, nil
	}
	var own struct {
		ID   *uint16
		Type *uint8 `json:"type"`
	}
	if json.Unmarshal(raw, &own) != nil || own.ID == nil || own.Type == nil {
		return zcl.AttributeInfo{}, invalid("'attribute' must be a name, a number, or an object with 'ID' and 'type'")
	}
	return zcl.AttributeInfo{ID: *own.ID, Type: zcl.DataType(*own.Type)}, nil
}

func (b *Bridge) requestReportingConfigure(ctx context.Context, r request) {
	d, ep, cluster, ok := b.endpointTarget(r, "attribute", "minimum_report_interval", "maximum_report_interval")
	if !ok {
		return
	}
	a, err := attributeWish(cluster, r.fields["attribute"])
	var low, high, change float64
	var manufacturer uint16
	if err == nil && !a.Type.Known() {
		err = invalid("the type of attribute %d is not known; give it as {\"ID\": %d, \"type\": …}", a.ID, a.ID)
	}
	for field, v := range map[string]*float64{"minimum_report_interval": &low, "maximum_report_interval": &high} {
		if err != nil {
			break
		}
		var there bool
		if *v, there, err = r.number(field, 0, math.MaxUint16); err == nil && !there {
			err = invalid("'%s' must be a number", field)
		}
	}
	if err == nil {
		change, _, err = r.number("reportable_change", 0, 1<<52)
	}
	if err == nil {
		manufacturer, err = r.manufacturer()
	}
	if err != nil {
		b.fail(r, err)
		return
	}
	e, own := d.EUI64, network.Target{EUI64: b.net.Info().EUI64, Endpoint: 1}
	config := zcl.ReportConfig{Attribute: a.ID, Type: a.Type, Min: uint16(low), Max: uint16(high), Change: uint64(change)}
	b.start(ctx, r, func(ctx context.Context) error {
		if err := b.net.Bind(ctx, e, ep.ID, cluster, own); err != nil {
			return err
		}
		return b.net.ConfigureReporting(ctx, e, ep.ID, cluster, manufacturer, []zcl.ReportConfig{config})
	}, func() {
		b.bindingsChanged(e)
		b.logging(slog.LevelInfo, fmt.Sprintf("'%s' reports %s.%s from now on", b.names.name(e), zcl.ClusterName(cluster), zcl.AttributeName(cluster, manufacturer, a.ID)))
		data := make(map[string]any)
		for _, field := range []string{"id", "endpoint", "cluster", "attribute", "minimum_report_interval", "maximum_report_interval", "reportable_change"} {
			if v := r.echo(field); v != nil {
				data[field] = v
			}
		}
		b.answer(r, data)
	}, fmt.Sprintf("configure reporting of '%s'", b.names.name(e)))
}

// manufacturer is the code in a request: "manufacturer_code", or as 2.x has it
// for writing "options": {"manufacturerCode": …}.
func (r request) manufacturer() (uint16, error) {
	n, _, err := r.number("manufacturer_code", 0, math.MaxUint16)
	if err != nil || n != 0 {
		return uint16(n), err
	}
	for _, field := range []string{"options", "option"} {
		var o struct {
			ManufacturerCode *uint16 `json:"manufacturerCode"`
		}
		raw, ok := r.fields[field]
		if !ok || string(raw) == "null" {
			continue
		}
		if err := json.Unmarshal(raw, &o); err != nil {
			return 0, invalid("'%s' must be an object", field)
		}
		if o.ManufacturerCode != nil {
			return *o.ManufacturerCode, nil
		}
	}
	return 0, nil
}

// reportingAnswer is the configuration of one attribute, in the words of
// zigbee-herdsman.
type reportingAnswer struct {
	AttributeID           uint16  `json:"attrId"`
	DataType              *uint8  `json:"dataType,omitempty"`
	Direction             uint8   `json:"direction"`
	MaximumReportInterval *uint16 `json:"maxRepIntval,omitempty"`
	MinimumReportInterval *uint16 `json:"minRepIntval,omitempty"`
	ReportableChange      *uint64 `json:"repChange,omitempty"`
	Status                uint8   `json:"status"`
}

func (b *Bridge) requestReportingRead(ctx context.Context, r request) {
	d, ep, cluster, ok := b.endpointTarget(r, "configs")
	if !ok {
		return
	}
	var wishes []struct {
		Direction uint8           `json:"direction"`
		Attribute json.RawMessage `json:"attribute"`
	}
	raw := r.fields["configs"]
	if json.Unmarshal(raw, &wishes) != nil || len(wishes) == 0 || len(wishes) > maxReporting {
		b.fail(r, invalid("'configs' must be a list of 1 to %d attributes", maxReporting))
		return
	}
	manufacturer, err := r.manufacturer()
	var ids []uint16
	for _, w := range wishes {
		if err != nil {
			break
		}
		if w.Direction != 0 {
			err = invalid("'direction' must be 0: what the device sends")
			break
		}
		var a zcl.AttributeInfo
		a, err = attributeWish(cluster, w.Attribute)
		ids = append(ids, a.ID)
	}
	if err != nil {
		b.fail(r, err)
		return
	}
	e := d.EUI64
	configs := []reportingAnswer{}
	b.start(ctx, r, func(ctx context.Context) error {
		list, err := b.net.ReadReporting(ctx, e, ep.ID, cluster, manufacturer, ids...)
		for _, s := range list {
			c := reportingAnswer{AttributeID: s.Config.Attribute, Status: uint8(s.Status)}
			if s.Status == zcl.StatusSuccess {
				t := uint8(s.Config.Type)
				c.DataType, c.MinimumReportInterval, c.MaximumReportInterval = &t, &s.Config.Min, &s.Config.Max
				if s.Config.Type.Analog() {
					c.ReportableChange = &s.Config.Change
				}
			}
			configs = append(configs, c)
		}
		return err
	}, func() {
		data := map[string]any{"cluster": r.echo("cluster"), "configs": configs, "endpoint": r.echo("endpoint"), "id": r.echo("id")}
		if v := r.echo("manufacturer_code"); v != nil && manufacturer != 0 {
			data["manufacturer_code"] = v
		}
		b.answer(r, data)
	}, fmt.Sprintf("read the reporting of '%s'", b.names.name(e)))
}
