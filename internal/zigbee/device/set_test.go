package device

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// inWords is an action: "1 0006 command 01", "2 0702/1015 write 0300=1000",
// "1 0b04 read 0505 0508".
func inWords(a Action) string {
	where := fmt.Sprintf("%d %04x", a.Endpoint, a.Cluster)
	if a.Manufacturer != 0 {
		where += fmt.Sprintf("/%04x", a.Manufacturer)
	}
	switch a.Kind {
	case Command:
		return strings.TrimSpace(fmt.Sprintf("%s command %02x %s", where, a.Command, hex.EncodeToString(a.Payload)))
	case Write:
		for _, v := range a.Attributes {
			where += fmt.Sprintf(" write %04x=%v:%v", v.ID, v.Value.Type, v.Value)
		}
		return where
	}
	where += " read"
	for _, id := range a.IDs {
		where += fmt.Sprintf(" %04x", id)
	}
	return where
}

func TestSet(t *testing.T) {
	plug := subject("_TZ3000_2putqrmw", "TS011F")
	two := subject("NodOn", "SIN-4-2-20")
	frient := Subject{Identity: meter}
	for name, tt := range map[string]struct {
		of       Subject
		message  map[string]any
		endpoint string
		state    map[string]any
		do       []string
		now      map[string]any
		errs     []string
	}{
		"On":         {of: plug, message: map[string]any{"state": "ON"}, do: []string{"1 0006 command 01"}, now: map[string]any{"countdown": int64(0), "state": "ON"}},
		"OffInSmall": {of: plug, message: map[string]any{"state": "off"}, do: []string{"1 0006 command 00"}, now: map[string]any{"countdown": int64(0), "state": "OFF"}},
		"Toggle": {of: plug, message: map[string]any{"state": "TOGGLE"}, state: map[string]any{"state": "ON"},
			do: []string{"1 0006 command 02"}, now: map[string]any{"countdown": int64(0), "state": "OFF"}},
		"ToggleOfTheUnknown": {of: plug, message: map[string]any{"state": "TOGGLE"}, do: []string{"1 0006 command 02"}, now: map[string]any{"countdown": int64(0)}},
		"OnForAWhile": {of: plug, message: map[string]any{"state": "ON", "on_time": 300.0, "off_wait_time": 1.5},
			do: []string{"1 0006 command 42 00b80b0f00"}, now: map[string]any{"state": "ON"}},
		"OnTooLong": {of: plug, message: map[string]any{"state": "ON", "on_time": 7000.0}, now: map[string]any{},
			errs: []string{"cannot have on_time set to 7000: it is a number from 0 to 6553.4"}},
		"OnTimeAlone": {of: plug, message: map[string]any{"on_time": 3.0}, now: map[string]any{}, errs: []string{"has nothing called 'on_time' that can be set"}},
		"Nonsense": {of: plug, message: map[string]any{"state": "open"}, now: map[string]any{},
			errs: []string{`cannot have state set to "open": it is ON, OFF or TOGGLE`}},
		"Countdown": {of: plug, message: map[string]any{"countdown": 60.0}, do: []string{"1 0006 command 42 003c003c00"}, now: map[string]any{"countdown": int64(60)}},
		"Several": {of: plug, message: map[string]any{"indicator_mode": "on/off", "state": "ON", "child_lock": "LOCK", "colour": 1.0},
			do:   []string{"1 0006 command 01", "1 0006 write 8000=bool:1", "1 0006 write 8001=enum8:2"},
			now:  map[string]any{"state": "ON", "countdown": int64(0), "child_lock": "LOCK", "indicator_mode": "on/off"},
			errs: []string{"has nothing called 'colour' that can be set"}},
		"PowerOutage": {of: plug, message: map[string]any{"power_outage_memory": "restore"}, do: []string{"1 0006 write 8002=enum8:2"}, now: map[string]any{"power_outage_memory": "restore"}},
		"Identify":    {of: plug, message: map[string]any{"identify": "identify"}, do: []string{"1 0003 command 00 0300"}, now: map[string]any{}},

		"PulseConfiguration": {of: frient, message: map[string]any{"pulse_configuration": 10000.0},
			do: []string{"2 0702/1015 write 0300=uint16:10000"}, now: map[string]any{"pulse_configuration": int64(10000)}},
		"PulseConfigurationAsText": {of: frient, message: map[string]any{"pulse_configuration": "500"},
			do: []string{"2 0702/1015 write 0300=uint16:500"}, now: map[string]any{"pulse_configuration": int64(500)}},
		"PulseConfigurationTooMany": {of: frient, message: map[string]any{"pulse_configuration": 65536.0}, now: map[string]any{},
			errs: []string{"cannot have pulse_configuration set to 65536: it is a number from 0 to 65535"}},
		"CurrentSummation": {of: frient, message: map[string]any{"current_summation": 12345678.0},
			do: []string{"2 0702/1015 write 0301=uint48:12345678"}, now: map[string]any{"current_summation": int64(12345678)}},
		"CurrentSummationOfAnObject": {of: frient, message: map[string]any{"current_summation": map[string]any{"a": 1.0}}, now: map[string]any{},
			errs: []string{`cannot have current_summation set to {"a":1}: it is a number from 0 to 268435455`}},
		"WhatIsMeasured": {of: frient, message: map[string]any{"energy": 1.0}, now: map[string]any{}, errs: []string{"has nothing called 'energy' that can be set"}},

		"SecondGang":         {of: two, message: map[string]any{"state_l2": "ON"}, do: []string{"2 0006 command 01"}, now: map[string]any{"state_l2": "ON"}},
		"SecondGangByTopic":  {of: two, message: map[string]any{"state": "ON"}, endpoint: "l2", do: []string{"2 0006 command 01"}, now: map[string]any{"state_l2": "ON"}},
		"NoGang":             {of: two, message: map[string]any{"state": "ON"}, now: map[string]any{}, errs: []string{"has nothing called 'state' that can be set: there are state_l1, state_l2"}},
		"UnitSummation":      {of: subject("Develco", "ZHEMI101"), message: map[string]any{"unit_summation": 123.456}, state: map[string]any{"unit_of_measure": 2.0, "multiplier": 1.0, "divisor": 100.0}, do: []string{"2 0702/1015 write 0301=uint48:435981"}, now: map[string]any{"unit_summation": 123.456}},
		"UnitSummationEarly": {of: subject("Develco", "ZHEMI101"), message: map[string]any{"unit_summation": 1.0}, now: map[string]any{}, errs: []string{"cannot have unit_summation set: it has not told its unit yet; ask for unit_of_measure first"}},
		"InterfaceMode": {of: subject("Develco", "ZHEMI101"), message: map[string]any{"interface_mode": "gas"},
			do: []string{"2 0702/1015 write 0302=enum16:1", "2 0702 read 0300 0301 0302", "2 0702 read 0303 0304 0306"}, now: map[string]any{"interface_mode": "gas"}},
		"Siren":    {of: subject("frient A/S", "SMSZB-120"), message: map[string]any{"alarm": "START"}, do: []string{"35 0502 command 00 c02c010000"}, now: map[string]any{}},
		"SirenOff": {of: subject("frient A/S", "SMSZB-120"), message: map[string]any{"alarm": "OFF"}, do: []string{"35 0502 command 00 002c010000"}, now: map[string]any{}},
		"Warning": {of: subject("frient A/S", "SMSZB-120"), message: map[string]any{"warning": map[string]any{"mode": "burglar", "level": "very_high", "strobe": false, "duration": 300.0}},
			do: []string{"35 0502 command 00 132c010001"}, now: map[string]any{}},
		"WarningNonsense": {of: subject("frient A/S", "SMSZB-120"), message: map[string]any{"warning": map[string]any{"mode": "loud"}}, now: map[string]any{},
			errs: []string{`cannot have warning.mode set to "loud": it is stop, burglar, fire, emergency, police_panic, fire_panic or emergency_panic`}},
		"MaxDuration": {of: subject("frient A/S", "SMSZB-120"), message: map[string]any{"max_duration": 240.0}, do: []string{"35 0502 write 0000=uint16:240"}, now: map[string]any{"max_duration": int64(240)}},

		"LockTheOtherWayRound": {of: subject("LUMI", "lumi.plug.maeu01"), message: map[string]any{"button_lock": "ON"}, do: []string{"1 fcc0/115f write 0200=uint8:0"}, now: map[string]any{"button_lock": "ON"}},
		"Overload":             {of: subject("LUMI", "lumi.plug.maeu01"), message: map[string]any{"overload_protection": 1500.0}, do: []string{"1 fcc0/115f write 020b=single:1500"}, now: map[string]any{"overload_protection": int64(1500)}},
		"ResetTotalEnergy":     {of: subject("Third Reality, Inc", "3RSP02028BZ"), message: map[string]any{"reset_total_energy": "reset"}, do: []string{"1 ff03/1233 write 0000=uint8:1"}, now: map[string]any{"reset_total_energy": "Reset"}},
		"EnergyReset":          {of: subject("NodOn", "SEM-4-1-00"), message: map[string]any{"energy_reset": "reset"}, do: []string{"1 0000 command 00"}, now: map[string]any{}},
		"PilotWire":            {of: subject("NodOn", "SIN-4-FP-21"), message: map[string]any{"pilot_wire_mode": "eco"}, do: []string{"1 fc00/128b command 00 02"}, now: map[string]any{"pilot_wire_mode": "eco"}},
		"PilotWireOfAnother":   {of: subject(" Legrand", " Cable outlet\x00\x00"), message: map[string]any{"pilot_wire_mode": "eco"}, do: []string{"1 fc40/1021 command 00 03"}, now: map[string]any{"pilot_wire_mode": "eco"}},
		"Setpoint":             {of: subject("SONOFF", "TRVZB"), message: map[string]any{"occupied_heating_setpoint": 21.5, "system_mode": "heat"}, do: []string{"1 0201 write 0012=int16:2150", "1 0201 write 001c=enum8:4"}, now: map[string]any{"occupied_heating_setpoint": 21.5, "system_mode": "heat"}},
		"NegativeCalibration":  {of: subject("SONOFF", "TRVZB"), message: map[string]any{"local_temperature_calibration": -1.2}, do: []string{"1 0201 write 0010=int8:-12"}, now: map[string]any{"local_temperature_calibration": -1.2}},

		"Datapoint": {of: subject("_TZE200_byzdayie", "TS0601"), message: map[string]any{"state": "OFF"}, do: []string{"1 ef00 command 00 ****0101000100"}, now: map[string]any{"state": "OFF"}},
		"Frequency": {of: subject("_TZE204_81yrt3lo", "TS0601"), message: map[string]any{"update_frequency": 30.0}, do: []string{"1 ef00 command 00 ****810200040000001e"}, now: map[string]any{"update_frequency": int64(30)}},

		"Brightness": {of: lamp, message: map[string]any{"brightness": 100.0, "transition": 2.0}, do: []string{"1 0008 command 04 641400"}, now: map[string]any{"brightness": int64(100), "state": "ON"}},
		"Dark":       {of: lamp, message: map[string]any{"brightness": 0.0}, do: []string{"1 0008 command 04 000000"}, now: map[string]any{"brightness": int64(0), "state": "OFF"}},
		"White":      {of: lamp, message: map[string]any{"color_temp": 1000.0}, do: []string{"1 0300 command 0a f4010000"}, now: map[string]any{"color_temp": int64(500)}},

		"Read":            {of: plug, message: map[string]any{"read": map[string]any{"cluster": "haElectricalMeasurement", "attributes": []any{"rmsVoltage", 1288.0}}}, do: []string{"1 0b04 read 0505 0508"}, now: map[string]any{}},
		"ReadNothing":     {of: plug, message: map[string]any{"read": map[string]any{"cluster": "genOnOff"}}, now: map[string]any{}, errs: []string{"cannot read null: attributes is a list of 1 to 16 names or numbers"}},
		"ReadNoCluster":   {of: plug, message: map[string]any{"read": map[string]any{"cluster": "nonsense", "attributes": []any{"x"}}}, now: map[string]any{}, errs: []string{"cannot do read: there is no cluster called 'nonsense': give a name such as genOnOff, or a number"}},
		"Write":           {of: plug, message: map[string]any{"write": map[string]any{"cluster": 6.0, "payload": map[string]any{"startUpOnOff": 1.0, "0x5000": map[string]any{"value": 1.0, "type": 48.0}}}}, do: []string{"1 0006 write 5000=enum8:1", "1 0006 write 4003=enum8:1"}, now: map[string]any{}},
		"WriteTooLarge":   {of: plug, message: map[string]any{"write": map[string]any{"cluster": "genOnOff", "payload": map[string]any{"onTime": 70000.0}}}, now: map[string]any{}, errs: []string{"cannot write onTime: 70000 does not fit its type (uint16)"}},
		"WriteOfAMaker":   {of: plug, message: map[string]any{"write": map[string]any{"cluster": "seMetering", "options": map[string]any{"manufacturerCode": 4117.0}, "payload": map[string]any{"768": map[string]any{"value": 500.0, "type": 33.0}}}}, do: []string{"1 0702/1015 write 0300=uint16:500"}, now: map[string]any{}},
		"CommandByNumber": {of: plug, message: map[string]any{"command": map[string]any{"cluster": "genOnOff", "command": 2.0}}, do: []string{"1 0006 command 02"}, now: map[string]any{}},
		"SceneStore":      {of: lamp, message: map[string]any{"scene_store": 3.0}, do: []string{"1 0005 command 04 000003"}, now: map[string]any{}},
		"SceneOfNone":     {of: frient, message: map[string]any{"scene_recall": 3.0}, now: map[string]any{}, errs: []string{"has no scenes"}},
	} {
		t.Run(name, func(t *testing.T) {
			actions, now, errs := For(tt.of).Set(tt.message, tt.endpoint, tt.state)
			var do, said []string
			for _, a := range actions {
				s := inWords(a)
				if i := strings.Index(s, "ef00 command 00 "); i > 0 { // the sequence number counts
					s = s[:i+16] + "****" + s[i+20:]
				}
				do = append(do, s)
			}
			for _, err := range errs {
				said = append(said, err.Error())
			}
			if diff := cmp.Diff(tt.do, do); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.now, now); diff != "" {
				t.Errorf("state (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.errs, said); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

// lamp is a lamp without a definition.
var lamp = subject("Nobody", "Lamp", Endpoint{ID: 1, Profile: zcl.ProfileHomeAutomation, DeviceID: 0x010c,
	In: []uint16{0x0000, 0x0003, 0x0004, 0x0005, 0x0006, 0x0008, 0x0300}})

func TestIdentifyForAsLongAsIsWished(t *testing.T) {
	m := For(subject("IKEA of Sweden", "INSPELNING Smart plug"))
	got, _, _ := m.SetWith(map[string]any{"identify": "identify"}, "", nil, map[string]any{"identify_timeout": 99.0})
	if len(got) != 1 || inWords(got[0]) != "1 0003 command 00 1e00" {
		t.Errorf("got %v, want 30 s, the most", got)
	}
}

func TestGet(t *testing.T) {
	for name, tt := range map[string]struct {
		of       Subject
		keys     []string
		endpoint string
		want     []string
		errs     []string
	}{
		"TwoOfACluster": {Subject{Identity: meter}, []string{"energy", "power"}, "", []string{"2 0702 read 0000 0400"}, nil},
		"OfAMaker":      {Subject{Identity: meter}, []string{"power", "pulse_configuration"}, "", []string{"2 0702 read 0400", "2 0702/1015 read 0300"}, nil},
		"Twice":         {Subject{Identity: meter}, []string{"power", "power"}, "", []string{"2 0702 read 0400"}, nil},
		"Five": {subject("frient A/S", "EMIZB-151"), []string{"energy", "produced_energy", "energy_tier_1", "energy_tier_2", "produced_energy_tier_1"}, "",
			[]string{"2 0702 read 0000 0001 0100 0102", "2 0702 read 0101"}, nil},
		"State":       {subject("_TZ3000_2putqrmw", "TS011F"), []string{"state"}, "", []string{"1 0006 read 0000"}, nil},
		"OfAnInput":   {subject("Shelly", "EM"), []string{"power_3"}, "", []string{"3 0b04 read 050b"}, nil},
		"ByTopic":     {subject("Shelly", "EM"), []string{"power"}, "2", []string{"2 0b04 read 050b"}, nil},
		"OfAnOther":   {subject("frient A/S", "SMSZB-120"), []string{"temperature", "battery"}, "", []string{"38 0402 read 0000", "35 0001 read 0020"}, nil},
		"Unknown":     {Subject{Identity: meter}, []string{"colour"}, "", nil, []string{"cannot be asked for 'colour'"}},
		"OnlyWritten": {Subject{Identity: meter}, []string{"current_summation"}, "", nil, []string{"cannot be asked for 'current_summation'"}},
	} {
		t.Run(name, func(t *testing.T) {
			actions, errs := For(tt.of).Get(tt.keys, tt.endpoint)
			var got, said []string
			for _, a := range actions {
				got = append(got, inWords(a))
			}
			for _, err := range errs {
				said = append(said, err.Error())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("reads (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.errs, said); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}
