package zigbee2mqtt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/migrate"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// maxEntries bounds the lines of database.db.
const maxEntries = 5000

// database is database.db: a JSON object on each line.
type database struct {
	coordinator zcl.EUI64
	devices     []network.ImportedDevice
	index       map[zcl.EUI64]int // in devices
	groups      map[uint16][]member
	left        []migrate.Left
}

// member is an endpoint of a device in a group.
type member struct {
	eui64    zcl.EUI64
	endpoint uint8
}

// text is a string, or nothing when something else stands in its place.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = text(strings.TrimRight(s, "\x00 "))
	}
	return nil
}

// integer is a whole number, or nothing when something else stands in its place.
type integer struct {
	v  int64
	ok bool
}

func (n *integer) UnmarshalJSON(b []byte) error {
	var f float64
	if json.Unmarshal(b, &f) == nil && string(b) != "null" && f == math.Trunc(f) && math.Abs(f) <= 1<<53 {
		n.v, n.ok = int64(f), true
	}
	return nil
}

// within gives the number when it is from 0 to high.
func (n integer) within(high int64) (int64, bool) { return n.v, n.ok && n.v >= 0 && n.v <= high }

func (n integer) u8() *uint8 { return counted[uint8](n, math.MaxUint8) }

// counted is the number in a type that goes to most; nil when it is not from 0
// to that.
func counted[T uint8 | uint16](n integer, most int64) *T {
	v, ok := n.within(most)
	if !ok {
		return nil
	}
	u := T(v)
	return &u
}

func (n integer) u16() uint16 {
	v, ok := n.within(math.MaxUint16)
	if !ok {
		return 0
	}
	return uint16(v)
}

// entry is a line. What a version does not have is empty.
type entry struct {
	Type               text                `json:"type"`
	EUI64              text                `json:"ieeeAddr"`
	NodeID             integer             `json:"nwkAddr"`
	ManufacturerCode   integer             `json:"manufId"`
	ManufacturerName   text                `json:"manufName"`
	PowerSource        text                `json:"powerSource"`
	ModelID            text                `json:"modelId"`
	Endpoints          map[string]endpoint `json:"endpoints"`
	AppVersion         integer             `json:"appVersion"`
	StackVersion       integer             `json:"stackVersion"`
	HWVersion          integer             `json:"hwVersion"`
	ZCLVersion         integer             `json:"zclVersion"`
	DateCode           text                `json:"dateCode"`
	SWBuildID          text                `json:"swBuildId"`
	InterviewCompleted bool                `json:"interviewCompleted"` // version 1
	InterviewState     text                `json:"interviewState"`     // version 2
	LastSeen           integer             `json:"lastSeen"`           // milliseconds since 1970
	GroupID            integer             `json:"groupID"`
	Members            []struct {
		EUI64    text    `json:"deviceIeeeAddr"`
		Endpoint integer `json:"endpointID"`
	} `json:"members"`
}

type endpoint struct {
	Profile   integer     `json:"profId"`
	DeviceID  integer     `json:"devId"`
	In        []integer   `json:"inClusterList"`
	Out       []integer   `json:"outClusterList"`
	Bindings  []bind      `json:"binds"`
	Reporting []reporting `json:"configuredReportings"`
}

type bind struct {
	Cluster  integer `json:"cluster"`
	Type     text    `json:"type"`
	EUI64    text    `json:"deviceIeeeAddress"`
	Endpoint integer `json:"endpointID"`
	Group    integer `json:"groupID"`
}

type reporting struct {
	Cluster      integer `json:"cluster"`
	Attribute    integer `json:"attrId"`
	Manufacturer integer `json:"manufacturerCode"`
	Min          integer `json:"minRepIntval"`
	Max          integer `json:"maxRepIntval"`
	Change       integer `json:"repChange"`
}

// powerSources are the names of ZCL 3.2.2.2.8 as the database has them.
var powerSources = map[string]uint8{
	"Mains (single phase)": 1, "Mains (3 phase)": 2, "Battery": 3, "DC Source": 4,
	"Emergency mains constantly powered": 5, "Emergency mains and transfer switch": 6,
}

func readDatabase(dir string) (*database, error) {
	b, err := read(dir, databaseFile, false)
	if err != nil {
		return nil, err
	}
	return parseDatabase(b)
}

func parseDatabase(b []byte) (*database, error) {
	db := &database{index: make(map[zcl.EUI64]int), groups: make(map[uint16][]member)}
	line := 0
	wrong := func(format string, a ...any) error {
		return &migrate.Error{File: databaseFile, Message: fmt.Sprintf("line %d: ", line) + fmt.Sprintf(format, a...),
			Advice: "take " + databaseFile + " from a backup of Zigbee2MQTT, or start it once, which repairs what it can"}
	}
	for raw := range bytes.Lines(b) {
		line++
		raw = bytes.TrimSpace(raw)
		if len(raw) == 0 {
			continue
		}
		if line > maxEntries {
			return nil, wrong("there are more than %d entries", maxEntries)
		}
		var e entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, wrong("it is damaged or cut short")
		}
		switch e.Type {
		case "Group":
			id, ok := e.GroupID.within(0xFFF7)
			if !ok || id == 0 {
				return nil, wrong("there cannot be a group of this number")
			}
			if _, twice := db.groups[uint16(id)]; twice {
				return nil, wrong("group %d is there twice", id)
			}
			db.groups[uint16(id)] = []member{}
			for _, m := range e.Members {
				a, err := eui64(string(m.EUI64))
				ep := m.Endpoint.u8()
				if err != nil || ep == nil {
					return nil, wrong("a member of group %d makes no sense", id)
				}
				db.groups[uint16(id)] = append(db.groups[uint16(id)], member{a, *ep})
			}
			continue
		case "Coordinator", "EndDevice", "Router", "Unknown", "GreenPower":
		default:
			db.left = append(db.left, migrate.Left{What: fmt.Sprintf("line %d of %s", line, databaseFile), Why: fmt.Sprintf("nothing is known of the type %.40q", string(e.Type))})
			continue
		}
		a, err := eui64(string(e.EUI64))
		if err != nil {
			return nil, wrong("%v", err)
		}
		if _, twice := db.index[a]; twice || a == db.coordinator {
			return nil, wrong("device %v is there twice", a)
		}
		switch e.Type {
		case "Coordinator":
			if db.coordinator != 0 {
				return nil, wrong("there is a second coordinator, %v beside %v", a, db.coordinator)
			}
			db.coordinator = a
		case "GreenPower":
			db.left = append(db.left, migrate.Left{What: fmt.Sprintf("the Green Power device %v", a), Why: "devices without a battery of that kind are not supported"})
		default:
			db.index[a] = len(db.devices)
			db.devices = append(db.devices, e.device(a))
		}
	}
	if db.coordinator == 0 {
		return nil, &migrate.Error{File: databaseFile, Message: "the coordinator is not in it", Advice: "start Zigbee2MQTT once with its dongle, which writes it"}
	}
	for id, members := range db.groups { // those whose device was removed since
		kept := []member{}
		for _, m := range members {
			if _, ok := db.index[m.eui64]; ok {
				kept = append(kept, m)
				continue
			}
			db.left = append(db.left, migrate.Left{What: fmt.Sprintf("the member %v of group %d", m.eui64, id), Why: "it is not in the network any more"})
		}
		db.groups[id] = kept
	}
	return db, nil
}

// device is the entry as a device of ours.
func (e *entry) device(a zcl.EUI64) network.ImportedDevice {
	d := network.Device{
		EUI64: a, NodeID: e.NodeID.u16(), Type: string(e.Type), ManufacturerName: string(e.ManufacturerName), ModelID: string(e.ModelID),
		DateCode: string(e.DateCode), SWBuildID: string(e.SWBuildID),
		ZCLVersion: e.ZCLVersion.u8(), AppVersion: e.AppVersion.u8(), StackVersion: e.StackVersion.u8(), HWVersion: counted[uint16](e.HWVersion, math.MaxUint16),
		ManufacturerCode: e.ManufacturerCode.u16(), PowerSource: powerSources[string(e.PowerSource)], Interview: network.InterviewPending,
	}
	if ms, ok := e.LastSeen.within(253402300799999); ok && ms > 0 { // the year 9999
		d.LastSeen = time.UnixMilli(ms).UTC()
	}
	ids := make([]uint8, 0, len(e.Endpoints))
	for id := range e.Endpoints {
		if n, err := strconv.ParseUint(id, 10, 8); err == nil && n > 0 {
			ids = append(ids, uint8(n))
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		d.Endpoints = append(d.Endpoints, e.Endpoints[strconv.Itoa(int(id))].endpoint(id))
	}
	if (e.InterviewState == "SUCCESSFUL" || e.InterviewState == "" && e.InterviewCompleted) && len(d.Endpoints) > 0 {
		// It was configured by another program: our own setup is done again when it
		// can be reached.
		d.Interview = network.InterviewSuccessful
	}
	return network.ImportedDevice{Device: d, Sleepy: e.Type == "EndDevice" && (d.PowerSource == 3 || d.PowerSource == 0)}
}

func (e endpoint) endpoint(id uint8) network.Endpoint {
	out := network.Endpoint{ID: id, Profile: e.Profile.u16(), DeviceID: e.DeviceID.u16(), In: clusters(e.In), Out: clusters(e.Out)}
	for _, b := range e.Bindings {
		to := network.Binding{Cluster: b.Cluster.u16(), Group: b.Group.u16()}
		if _, ok := b.Cluster.within(math.MaxUint16); !ok {
			continue
		}
		if to.Group == 0 {
			a, err := eui64(string(b.EUI64))
			ep := b.Endpoint.u8()
			if err != nil || ep == nil {
				continue
			}
			to.Target, to.TargetEndpoint = a, *ep
		}
		out.Bindings = append(out.Bindings, to)
	}
	for _, r := range e.Reporting {
		_, cluster := r.Cluster.within(math.MaxUint16)
		_, attribute := r.Attribute.within(math.MaxUint16)
		if !cluster || !attribute {
			continue
		}
		change, _ := r.Change.within(math.MaxInt64)
		out.Reporting = append(out.Reporting, network.Reporting{Cluster: r.Cluster.u16(), Attribute: r.Attribute.u16(),
			Manufacturer: r.Manufacturer.u16(), Min: r.Min.u16(), Max: r.Max.u16(), Change: uint64(change)})
	}
	return out
}

func clusters(list []integer) []uint16 {
	var out []uint16
	for _, n := range list {
		if v, ok := n.within(math.MaxUint16); ok {
			out = append(out, uint16(v))
		}
	}
	return out
}
