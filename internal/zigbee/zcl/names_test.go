package zcl

import "testing"

func TestNames(t *testing.T) {
	for name, tt := range map[string]struct{ got, want string }{
		"Cluster":               {ClusterName(ClusterMetering), "seMetering"},
		"ClusterWithoutName":    {ClusterName(0xe001), "57345"},
		"Attribute":             {AttributeName(ClusterMetering, 0, 0x0000), "currentSummDelivered"},
		"AttributeOfMaker":      {AttributeName(ClusterMetering, ManufacturerDevelco, 0x0300), "768"},
		"AttributeWithoutName":  {AttributeName(ClusterMetering, 0, 0x7777), "30583"},
		"AttributeOfNoCluster":  {AttributeName(0x7777, 0, 1), "1"},
		"AttributeOfElectrical": {AttributeName(ClusterElectricalMeas, 0, 0x050b), "activePower"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", name, tt.got, tt.want)
		}
	}
}

func TestEveryNameIsParsedBack(t *testing.T) {
	for id, name := range clusterNames {
		if got, err := ParseCluster(name); err != nil || got != id {
			t.Errorf("%s: got %04x, %v, want %04x", name, got, err, id)
		}
		for _, a := range attributeByName[id] {
			got, err := ParseAttribute(id, a.Name)
			if err != nil || got != a {
				t.Errorf("%s %s: got %+v, %v, want %+v", name, a.Name, got, err, a)
			}
			if !a.Type.Known() {
				t.Errorf("%s %s has a type of no known size", name, a.Name)
			}
		}
	}
}

func TestParseNames(t *testing.T) {
	for s, want := range map[string]uint16{"genOnOff": 6, "6": 6, "0x0006": 6, "0XFCC0": 0xfcc0, "61184": 0xef00} {
		if got, err := ParseCluster(s); err != nil || got != want {
			t.Errorf("cluster %q: got %04x, %v, want %04x", s, got, err, want)
		}
	}
	for _, s := range []string{"", "onoff", "65536", "-1", "0x", "0x10000"} {
		if got, err := ParseCluster(s); err == nil {
			t.Errorf("cluster %q: got %04x, want an error", s, got)
		}
		if got, err := ParseAttribute(6, s); err == nil {
			t.Errorf("attribute %q: got %+v, want an error", s, got)
		}
	}
	if got, err := ParseAttribute(ClusterOnOff, "0x4003"); err != nil || got.Name != "startUpOnOff" || got.Type != Enum8 {
		t.Errorf("attribute 0x4003 of on/off: got %+v, %v", got, err)
	}
	if got, err := ParseAttribute(ClusterOnOff, "32768"); err != nil || got.ID != 0x8000 || got.Type != Unknown {
		t.Errorf("an attribute without a name: got %+v, %v", got, err)
	}
}
