package bridge

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

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

// definition is what bridge/devices and bridge/event say of a model.
type definition struct {
	Description string         `json:"description"`
	Exposes     []model.Expose `json:"exposes"`
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
	list := []entry{}
	if e := b.net.Info().EUI64; e != zcl.EUI64None {
		list = append(list, coordinatorEntry(e))
	}
	for _, d := range b.sorted() {
		list = append(list, b.entry(d))
	}
	payload, err := json.Marshal(list)
	if err != nil { // nothing in it can fail to marshal
		panic(err)
	}
	b.retained.set(b.topics.bridge("devices"), payload, 0)
}

// coordinatorEntry is the dongle among the devices.
func coordinatorEntry(e zcl.EUI64) entry {
	return entry{
		Endpoints: map[string]endpointEntry{"1": {
			Bindings:             []bindingEntry{},
			Clusters:             clustersEntry{Input: []string{}, Output: []string{}},
			ConfiguredReportings: []reportingEntry{},
			Scenes:               []sceneEntry{},
		}},
		FriendlyName:       "Coordinator",
		IEEEAddress:        e,
		InterviewCompleted: true,
		InterviewState:     network.InterviewSuccessful,
		Manufacturer:       "Silicon Labs",
		Model:              "EmberZNet",
		Supported:          true,
		Type:               "Coordinator",
	}
}

func (b *Bridge) entry(d *device) entry {
	e := entry{
		DateCode:           clean(d.DateCode),
		Definition:         newDefinition(d),
		Endpoints:          make(map[string]endpointEntry),
		FriendlyName:       b.names.name(d.EUI64),
		IEEEAddress:        d.EUI64,
		InterviewCompleted: d.interviewed(),
		InterviewState:     d.Interview,
		Interviewing:       d.Interview == network.InterviewInProgress,
		Manufacturer:       d.shownVendor(),
		Model:              d.shownModel(),
		ModelID:            clean(d.ModelID),
		NetworkAddress:     d.NodeID,
		PowerSource:        powerSource(d.Device),
		SoftwareBuildID:    clean(d.SWBuildID),
		Supported:          d.known(),
		Type:               d.Type,
	}
	for _, ep := range d.Endpoints {
		e.Endpoints[strconv.Itoa(int(ep.ID))] = newEndpointEntry(d, ep, b.options.Scenes[d.EUI64][ep.ID])
	}
	return e
}

func newEndpointEntry(d *device, ep network.Endpoint, scenes []scene) endpointEntry {
	e := endpointEntry{
		Bindings:             make([]bindingEntry, 0, len(ep.Bindings)),
		Clusters:             clustersEntry{Input: clusterNames(ep.In), Output: clusterNames(ep.Out)},
		ConfiguredReportings: make([]reportingEntry, 0, len(ep.Reporting)),
		Name:                 d.endpointName(ep.ID),
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

// newDefinition is nil for a device without one.
func newDefinition(d *device) *definition {
	if !d.known() {
		return nil
	}
	info := d.model.Info()
	return &definition{
		Description: info.Description,
		Exposes:     d.model.Exposes(),
		Model:       info.Model,
		Options:     append([]model.Expose{}, d.model.Options()...),
		Source:      info.Source,
		SupportsOTA: info.SupportsOTA,
		Vendor:      info.Vendor,
		Version:     "0.0.0",
	}
}

// powerSource is the device's power source in the words of the contract, empty
// while the device has not said it. Source: ZCL8 §3.2.2.2.8.
func powerSource(d network.Device) string {
	if d.ModelID == "" && d.PowerSource == 0 {
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

// info is bridge/info: the keys of Zigbee2MQTT 2 that are true here.
type info struct {
	Commit          string          `json:"commit,omitempty"`
	Config          infoConfig      `json:"config"`
	Coordinator     infoCoordinator `json:"coordinator"`
	LogLevel        string          `json:"log_level"`
	Network         infoNetwork     `json:"network"`
	PermitJoin      bool            `json:"permit_join"`
	PermitJoinEnd   int64           `json:"permit_join_end,omitempty"` // ms since 1970
	RestartRequired bool            `json:"restart_required"`
	Version         string          `json:"version"`
}

type infoConfig struct {
	Availability struct {
		Enabled bool `json:"enabled"`
	} `json:"availability"`
	HomeAssistant struct {
		DiscoveryTopic string `json:"discovery_topic"`
		Enabled        bool   `json:"enabled"`
		StatusTopic    string `json:"status_topic"`
	} `json:"homeassistant"`
	MQTT struct {
		BaseTopic string `json:"base_topic"`
	} `json:"mqtt"`
}

type infoCoordinator struct {
	IEEEAddress zcl.EUI64 `json:"ieee_address"`
	Meta        infoMeta  `json:"meta"`
	Type        string    `json:"type"`
}

type infoMeta struct {
	EZSP     uint8  `json:"ezsp,omitempty"`
	Revision string `json:"revision,omitempty"`
}

type infoNetwork struct {
	Channel       uint8  `json:"channel"`
	ExtendedPANID string `json:"extended_pan_id"`
	PANID         uint16 `json:"pan_id"`
}

// setInfo wants bridge/info as the network is now, and again when joining ends.
func (b *Bridge) setInfo(n network.Info) {
	v := info{
		Commit:      b.opts.Commit,
		Coordinator: infoCoordinator{IEEEAddress: n.EUI64, Meta: infoMeta{EZSP: n.EZSPVersion, Revision: n.Firmware}, Type: "EmberZNet"},
		LogLevel:    b.logLevelName,
		Network:     infoNetwork{Channel: n.Channel, ExtendedPANID: fmt.Sprintf("0x%016x", n.ExtendedPANID), PANID: n.PANID},
		Version:     b.opts.Version,
	}
	v.Config.Availability.Enabled = true
	v.Config.HomeAssistant.Enabled = true
	v.Config.HomeAssistant.DiscoveryTopic = b.topics.prefix
	v.Config.HomeAssistant.StatusTopic = b.topics.homeAssistant()
	v.Config.MQTT.BaseTopic = b.topics.base
	v.RestartRequired = b.restartRequired
	if b.permit != nil {
		b.permit.Stop()
		b.permit = nil
	}
	if left := n.PermitUntil.Sub(b.now()); !n.PermitUntil.IsZero() && left > 0 {
		v.PermitJoin, v.PermitJoinEnd = true, n.PermitUntil.UnixMilli()
		b.permit = time.AfterFunc(left+10*time.Millisecond, func() {
			select {
			case b.do <- func() { b.setInfo(b.net.Info()) }:
			default: // the network says itself that joining ended
			}
		})
	}
	payload, err := json.Marshal(v)
	if err != nil { // nothing in it can fail to marshal
		panic(err)
	}
	b.retained.set(b.topics.bridge("info"), payload, 0)
}
