package tasmota

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/discovery"
)

const (
	cfg = `{"ip":"192.168.15.10","dn":"Kettle","fn":["Kettle",null],"hn":"tasmota_49A3BC-0956","mac":"00000049A3BC","md":"Sonoff Pow",
		"ofln":"Away","onln":"Here","state":["OFF","ON"],"sw":"13.3.0","t":"tasmota_49A3BC","ft":"%topic%/%prefix%/","tp":["cmnd","stat","tele"],"ver":1}`
	energy = `{"sn":{"Time":"2020-09-25T12:47:15","ENERGY":{"TotalStartTime":"2018-11-23T15:33:47","Total":0.017,"Power":[1,2]},
		"ANALOG":{"Temperature1":2.4,"CTEnergy1":{"Energy":0.5,"Power":2300}},"DS18B20":{"Id":"01191ED79190","Temperature":2.4},"TempUnit":"F"},"ver":1}`
)

type seen struct{ Name, Topic, Template, Unit, Class, State, Unique string }

func look(c discovery.Config) map[string]seen {
	all := map[string]seen{}
	for _, e := range c.Entities {
		all[e.EntityID] = seen{e.Name, e.StateTopic, e.ValueTemplate, e.UnitOfMeasurement, e.DeviceClass, e.StateClass, e.UniqueID}
	}
	return all
}

func TestTwoDocumentsMakeADevice(t *testing.T) {
	at := "tasmota_49A3BC/tele/SENSOR"
	id := "00000049A3BC_sensor_sensor_"
	want := map[string]seen{
		"kettle_energy_total":            {"ENERGY Total", at, "{{ value_json['ENERGY']['Total'] }}", "kWh", "energy", "total", id + "ENERGY_Total"},
		"kettle_energy_power_0":          {"ENERGY Power 0", at, "{{ value_json['ENERGY']['Power']['0'] }}", "W", "power", "measurement", id + "ENERGY_Power_0"},
		"kettle_energy_power_1":          {"ENERGY Power 1", at, "{{ value_json['ENERGY']['Power']['1'] }}", "W", "power", "measurement", id + "ENERGY_Power_1"},
		"kettle_analog_temperature1":     {"ANALOG Temperature1", at, "{{ value_json['ANALOG']['Temperature1'] }}", "°F", "temperature", "measurement", id + "ANALOG_Temperature1"},
		"kettle_analog_ctenergy1_energy": {"ANALOG CTEnergy1 Energy", at, "{{ value_json['ANALOG']['CTEnergy1']['Energy'] }}", "kWh", "energy", "total", id + "ANALOG_CTEnergy1_Energy"},
		"kettle_analog_ctenergy1_power":  {"ANALOG CTEnergy1 Power", at, "{{ value_json['ANALOG']['CTEnergy1']['Power'] }}", "W", "power", "measurement", id + "ANALOG_CTEnergy1_Power"},
		"kettle_ds18b20_temperature":     {"DS18B20 Temperature", at, "{{ value_json['DS18B20']['Temperature'] }}", "°F", "temperature", "measurement", id + "DS18B20_Temperature"},
	}
	for _, order := range [][]string{{"config", "sensors"}, {"sensors", "config"}} {
		var d Devices
		var c discovery.Config
		for _, kind := range order {
			var news bool
			if c, news = d.Hear("tasmota/discovery/00000049A3BC/"+kind, []byte(map[string]string{"config": cfg, "sensors": energy}[kind])); !news {
				t.Fatalf("%s is no news", kind)
			}
		}
		if diff := cmp.Diff(want, look(c)); diff != "" {
			t.Errorf("%v (-want +got)\n%s", order, diff)
		}
		a := c.Entities[0].Available[0]
		if a.Topic != "tasmota_49A3BC/tele/LWT" || a.Available != "Here" || a.NotAvail != "Away" {
			t.Errorf("%+v", a)
		}
		for _, e := range c.Entities {
			if e.Key != "ENERGY_Power_1" {
				continue
			}
			if v, err := e.Number(discovery.NewState([]byte(`{"ENERGY":{"Power":[7,8]}}`))); err != nil || v != 8 {
				t.Errorf("%v, %v", v, err)
			}
		}
		// gone again
		if c, news := d.Hear("tasmota/discovery/00000049A3BC/config", nil); !news || len(c.Entities) != 0 {
			t.Errorf("taken back: %v, %v", news, look(c))
		}
	}
}

func TestDocumentsThatAreNone(t *testing.T) {
	for topic, payload := range map[string]string{
		"tasmota/discovery/00000049A3BC/config":   `{"t":"a"`,
		"tasmota/discovery/00000049A3BD/config":   `{"t":"a","tp":["cmnd"]}`,
		"tasmota/discovery/00000049A3BE/config":   `{"t":"a/#","tp":["cmnd","stat","tele"]}`,
		"tasmota/discovery/00000049A3BF/config":   `{"tp":["cmnd","stat","tele"]}`,
		"tasmota/discovery/00000049A3C0/sensors":  `[]`,
		"tasmota/discovery/00000049A3C1/other":    cfg,
		"tasmota/discovery/nomac/config":          cfg,
		"tasmota/discovery/00000049A3BC/config/x": cfg,
		"other/discovery/00000049A3BC/config":     cfg,
	} {
		var d Devices
		if c, news := d.Hear(topic, []byte(payload)); news {
			t.Errorf("%s %s: %v", topic, payload, look(c))
		}
	}
	var d Devices
	for i := range 2 * maxDevices {
		d.Hear(fmt.Sprintf("tasmota/discovery/%012X/config", i), []byte(cfg))
	}
	if len(d.byMAC) > maxDevices {
		t.Errorf("%d devices", len(d.byMAC))
	}
}

// FuzzHear: whatever the documents say, entities are whole.
func FuzzHear(f *testing.F) {
	f.Add([]byte(cfg), []byte(energy))
	f.Fuzz(func(t *testing.T, config, sensors []byte) {
		var d Devices
		d.Hear("tasmota/discovery/00000049A3BC/config", config)
		c, _ := d.Hear("tasmota/discovery/00000049A3BC/sensors", sensors)
		if len(c.Entities) > maxEntities {
			t.Errorf("%d entities", len(c.Entities))
		}
		for _, e := range c.Entities {
			if e.StateTopic == "" || e.EntityID == "" || e.UniqueID == "" || e.Template == nil {
				t.Errorf("%+v", e)
			}
			_, _ = e.Number(discovery.NewState(sensors))
		}
	})
}
