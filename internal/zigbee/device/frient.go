package device

import "github.com/smartcore-ireland/hems/internal/zigbee/zcl"

// emizb141 is frient's electricity meter interface 2 LED: it counts the blinks
// of a meter's LED. Two AA cells; asleep unless it reports.
//
// Power and energy are always 1/1000 of kW and kWh, so 1 raw is 1 W and 1 Wh.
// The scale is not read: the manufacturer's attributes 0x0300 (pulses per kWh),
// 0x0301 (counter) and 0x0302 (mode), told apart from unit, multiplier and
// divisor by nothing but the manufacturer code 0x1015, could pass for it.
func emizb141() Definition {
	const endpoint = 2 // endpoint 1 has the manufacturer's own profile
	return Definition{
		Model:       "EMIZB-141",
		Vendor:      "Frient",
		Description: "Electricity meter interface 2 LED",
		match: []Identity{
			{ManufacturerName: "frient A/S", ModelID: "EMIZB-141"},
			{ManufacturerName: "Develco Products A/S", ModelID: "EMIZB-141"},
		},
		sources: []Source{
			{Quantity: Power, Endpoint: endpoint, Cluster: zcl.ClusterMetering, Attribute: zcl.AttrInstantaneousDemand, Divisor: 1},
			{Quantity: Energy, Endpoint: endpoint, Cluster: zcl.ClusterMetering, Attribute: zcl.AttrSummationDelivered, Divisor: 1000},
			{Quantity: Battery, Endpoint: endpoint, Cluster: zcl.ClusterPowerConfig, Attribute: zcl.AttrBatteryPercentage, Divisor: 2, Max: 200},
			{Quantity: BatteryVoltage, Endpoint: endpoint, Cluster: zcl.ClusterPowerConfig, Attribute: zcl.AttrBatteryVoltage, Divisor: 10},
		},
		Setup: []Setup{
			{
				Endpoint: endpoint, Cluster: zcl.ClusterMetering, Bind: true,
				Reporting: []zcl.ReportConfig{
					// A reading at least every 300 s even when nothing changes,
					// so that silence can be told from a steady load; 10 s of
					// that are for the device's clock and the way here. 5 W and
					// 10 s keep the dashboard live within what two AA cells can
					// give.
					{Attribute: zcl.AttrInstantaneousDemand, Type: zcl.Int24, Min: 10, Max: 290, Change: 5},
					// 10 Wh is under half a cent, and at the 342 W of a quiet
					// home one report in 105 s: the counter is fresh at the end
					// of a settlement half hour without waking the device for
					// every blink.
					{Attribute: zcl.AttrSummationDelivered, Type: zcl.Uint48, Min: 10, Max: 290, Change: 10},
				},
				Read: []ReadGroup{{Attributes: []uint16{zcl.AttrInstantaneousDemand, zcl.AttrSummationDelivered}}},
			},
			{
				Endpoint: endpoint, Cluster: zcl.ClusterPowerConfig, Bind: true,
				Reporting: []zcl.ReportConfig{
					// Hourly at most, four times a day at least: a step of 1 %
					// (2 raw) or 0.1 V.
					{Attribute: zcl.AttrBatteryPercentage, Type: zcl.Uint8, Min: 3600, Max: 21600, Change: 2},
					{Attribute: zcl.AttrBatteryVoltage, Type: zcl.Uint8, Min: 3600, Max: 21600, Change: 1},
				},
				Read: []ReadGroup{{Attributes: []uint16{zcl.AttrBatteryVoltage, zcl.AttrBatteryPercentage}}},
			},
		},
	}
}
