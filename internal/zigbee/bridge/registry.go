package bridge

import (
	"encoding/json"
	"strconv"

	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// entry is one device in bridge/devices: the keys of Zigbee2MQTT 2 in its
// order, but manufacturer is the vendor as people know it and model is there,
// as the contract wants them.
type entry struct {
	DateCode           string                   `json:"date_code,omitempty"`
	Definition         *definition              `json:"definition,omitempty"`
	Description        string                   `json:"description,omitempty"`
	Disabled           bool                     `json:"disabled"`
	Endpoints          map[string]endpointEntry `json:"endpoints"`
	FriendlyName       string                   `json:"friendly_name"`
	IEEEAddress        zcl.EUI64                `json:"ieee_address"`
	InterviewCompleted bool                     `json:"interview_completed"`
	InterviewState     string                   `json:"interview_state"`
	Interviewing       bool                     `json:"interviewing"`
	Manufacturer       string                   `json:"manufacturer"`
	Model              string                   `json:"model"`
	ModelID            string                   `json:"model_id,omitempty"`
	NetworkAddress     uint16                   `json:"network_address"`
	PowerSource        string                   `json:"power_source,omitempty"`
	SoftwareBuildID    string                   `json:"software_build_id,omitempty"`
	Supported          bool                     `json:"supported"`
	Type               string                   `json:"type"`
}

// entryZ2M2 is the same for Zigbee2MQTT 2's form: what the device calls its
// maker, no model, and nothing in place of what is not known.
type entryZ2M2 struct {
	DateCode           string                   `json:"date_code,omitempty"`
	Definition         *definition              `json:"definition,omitempty"`
	Description        string                   `json:"description,omitempty"`
	Disabled           bool                     `json:"disabled"`
	Endpoints          map[string]endpointEntry `json:"endpoints"`
	FriendlyName       string                   `json:"friendly_name"`
	IEEEAddress        zcl.EUI64                `json:"ieee_address"`
	InterviewCompleted bool                     `json:"interview_completed"`
	InterviewState     string                   `json:"interview_state"`
	Interviewing       bool                     `json:"interviewing"`
	Manufacturer       string                   `json:"manufacturer,omitempty"`
	Model              string                   `json:"-"`
	ModelID            string                   `json:"model_id,omitempty"`
	NetworkAddress     uint16                   `json:"network_address"`
	PowerSource        string                   `json:"power_source,omitempty"`
	SoftwareBuildID    string                   `json:"software_build_id,omitempty"`
	Supported          bool                     `json:"supported"`
	Type               string                   `json:"type"`
}

// definition is what bridge/devices and bridge/event say of a model.
type definition struct {
	Description string         `json:"description"`
	Exposes     []model.Expose `json:"exposes"`
	Icon        string         `json:"icon,omitempty"`
	Model       string         `json:"model"`
	Options     []model.Expose `json:"options"`
	Source      string         `json:"source"`
	SupportsOTA bool           `json:"supports_ota"`
	Vendor      string         `json:"vendor"`
	Version     string         `json:"version"`
}

type endpointEntry struct {
	Bindings             []bindingEntry   `json:"bindings"`
	Clusters             clustersEntry    `json:"clusters"`
	ConfiguredReportings []reportingEntry `json:"configured_reportings"`
	Name                 string           `json:"name,omitempty"`
	Scenes               []sceneEntry     `json:"scenes"`
}

type clustersEntry struct {
	Input  []string `json:"input"`
	Output []string `json:"output"`
}

type bindingEntry struct {
	Cluster string      `json:"cluster"`
	Target  targetEntry `json:"target"`
}

// targetEntry is an endpoint, or a group by its number alone.
type targetEntry struct {
	Endpoint    uint8      `json:"endpoint,omitempty"`
	ID          uint16     `json:"id,omitempty"`
	IEEEAddress *zcl.EUI64 `json:"ieee_address,omitempty"`
	Type        string     `json:"type"`
}

func newTargetEntry(x network.Binding) targetEntry {
	if x.Group != 0 {
		return targetEntry{ID: x.Group, Type: "group"}
	}
	return targetEntry{Endpoint: x.TargetEndpoint, IEEEAddress: &x.Target, Type: "endpoint"}
}

type reportingEntry struct {
	Attribute             any    `json:"attribute"` // a name, or the number of one without
	Cluster               string `json:"cluster"`
	MaximumReportInterval uint16 `json:"maximum_report_interval"`
	MinimumReportInterval uint16 `json:"minimum_report_interval"`
	ReportableChange      uint64 `json:"reportable_change"`
}

// setDevices wants bridge/devices as the network is now.
func (b *Bridge) setDevices() {
	list := []any{}
	add := func(e entry) {
		if b.z2m2() {
			list = append(list, entryZ2M2(e))
			return
		}
		list = append(list, e)
	}
	if e := b.net.Info().EUI64; e != zcl.EUI64None {
		add(b.coordinatorEntry(e))
	}
	for _, d := range b.sorted() {
		add(b.entry(d))
	}
	payload, err := json.Marshal(list)
	if err != nil { // nothing in it can fail to marshal
		panic(err)
	}
	b.retained.set(b.topics.bridge("devices"), payload, 0)
}

// coordinatorEntry is the dongle among the devices.
func (b *Bridge) coordinatorEntry(e zcl.EUI64) entry {
	c := entry{
		Endpoints:          make(map[string]endpointEntry),
		FriendlyName:       coordinatorName,
		IEEEAddress:        e,
		InterviewCompleted: true,
		InterviewState:     network.InterviewSuccessful,
		Supported:          true,
		Type:               "Coordinator",
	}
	if !b.z2m2() {
		c.Manufacturer, c.Model = "Silicon Labs", "EmberZNet"
	}
	for _, ep := range network.OwnEndpoints() {
		c.Endpoints[strconv.Itoa(int(ep.ID))] = newEndpointEntry("", ep, nil)
	}
	return c
}

func (b *Bridge) entry(d *device) entry {
	options := b.options.device(d.EUI64)
	e := entry{
		DateCode:           clean(d.DateCode),
		Definition:         b.newDefinition(d),
		Description:        options.text("description"),
		Disabled:           options.flag("disabled", false),
		Endpoints:          make(map[string]endpointEntry),
		FriendlyName:       b.names.name(d.EUI64),
		IEEEAddress:        d.EUI64,
		InterviewCompleted: d.interviewed(),
		InterviewState:     d.Interview,
		Interviewing:       d.Interview == network.InterviewInProgress,
		ModelID:            clean(d.ModelID),
		NetworkAddress:     d.NodeID,
		PowerSource:        b.powerSource(d),
		SoftwareBuildID:    clean(d.SWBuildID),
		Supported:          d.known(),
		Type:               d.Type,
	}
	if b.z2m2() {
		e.Manufacturer = clean(d.ManufacturerName)
	} else {
		e.Manufacturer, e.Model = d.shownVendor(), d.shownModel()
	}
	for _, ep := range d.Endpoints {
		e.Endpoints[strconv.Itoa(int(ep.ID))] = newEndpointEntry(d.endpointName(ep.ID), ep, b.options.Scenes[d.EUI64][ep.ID])
	}
	return e
}

func newEndpointEntry(name string, ep network.Endpoint, scenes []scene) endpointEntry {
	e := endpointEntry{
		Bindings:             make([]bindingEntry, 0, len(ep.Bindings)),
		Clusters:             clustersEntry{Input: clusterNames(ep.In), Output: clusterNames(ep.Out)},
		ConfiguredReportings: make([]reportingEntry, 0, len(ep.Reporting)),
		Name:                 name,
		Scenes:               sceneEntries(scenes, 0),
	}
	for _, x := range ep.Bindings {
		e.Bindings = append(e.Bindings, bindingEntry{
			Cluster: clusterName(x.Cluster),
			Target:  newTargetEntry(x),
		})
	}
	for _, r := range ep.Reporting {
		e.ConfiguredReportings = append(e.ConfiguredReportings, reportingEntry{
			Attribute:             attributeName(r.Cluster, r.Manufacturer, r.Attribute),
			Cluster:               clusterName(r.Cluster),
			MaximumReportInterval: r.Max,
			MinimumReportInterval: r.Min,
			ReportableChange:      r.Change,
		})
	}
	return e
}

// newDefinition is what is known about a device's model: nil in the reference's
// form when that is only what its clusters say, and in both while it is asked
// what it is.
func (b *Bridge) newDefinition(d *device) *definition {
	if !d.known() && (!b.z2m2() || !d.interviewed()) {
		return nil
	}
	info := d.model.Info()
	return &definition{
		Description: info.Description,
		Exposes:     append([]model.Expose{}, d.model.Exposes()...),
		Icon:        b.options.device(d.EUI64).text("icon"),
		Model:       info.Model,
		Options:     append([]model.Expose{}, d.model.Options()...),
		Source:      info.Source,
		SupportsOTA: info.SupportsOTA,
		Vendor:      info.Vendor,
		Version:     info.Version,
	}
}

// powerSource is the device's power source in the words of the contract, empty
// while the device has not said it, and in Zigbee2MQTT's form when it does not
// know it. Source: ZCL8 §3.2.2.2.8.
func (b *Bridge) powerSource(d *device) string {
	if known := d.model.Info().PowerSource; known != "" && d.interviewed() {
		return known
	}
	if d.PowerSource == 0 && (d.ModelID == "" || b.z2m2()) {
		return ""
	}
	switch d.PowerSource & 0x7f {
	case 1:
		return "Mains (single phase)"
	case 2:
		return "Mains (3 phase)"
	case 3:
		return "Battery"
	case 4:
		return "DC Source"
	case 5:
		return "Emergency mains constantly powered"
	case 6:
		return "Emergency mains and transfer switch"
	}
	return "Unknown"
}
