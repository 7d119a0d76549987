package device

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// general is what every device can be told, whatever it is: read and write of
// attributes, commands, and scenes. ok is false for a key that is none of
// these.
func (w *wish) general(endpoint string) (err error, ok bool) {
	switch w.key {
	case "read":
		return w.readAny(endpoint), true
	case "write":
		return w.writeAny(endpoint), true
	case "command":
		return w.commandAny(endpoint), true
	case "scene_store", "scene_recall", "scene_remove", "scene_remove_all":
		return w.scene(endpoint), true
	}
	return nil, false
}

// target is the endpoint that a general command is for, and its cluster.
func (w *wish) target(endpoint string) (m map[string]any, cluster uint16, err error) {
	m, err = w.object()
	if err != nil {
		return nil, 0, err
	}
	cluster, err = zcl.ParseCluster(fmt.Sprint(m["cluster"]))
	if n, ok := m["cluster"].(float64); ok {
		cluster, err = zcl.ParseCluster(strconv.FormatFloat(n, 'f', -1, 64))
	}
	if err != nil {
		return nil, 0, fmt.Errorf("cannot do %s: %w", w.key, err)
	}
	w.endpoint = w.named(endpoint, cluster)
	return m, cluster, nil
}

// named is the endpoint of a name or number, or the first with a cluster.
func (w *wish) named(endpoint string, cluster uint16) uint8 {
	for id, name := range w.model.names {
		if name == endpoint && endpoint != "" {
			return id
		}
	}
	if n, err := strconv.ParseUint(endpoint, 10, 8); err == nil && n > 0 && n < 241 {
		return uint8(n)
	}
	return w.model.endpointFor(&Definition{}, cluster)
}

// manufacturer is the code in the options of a general command.
func manufacturer(m map[string]any) (uint16, error) {
	options, _ := m["options"].(map[string]any)
	v, ok := options["manufacturerCode"]
	if !ok {
		return 0, nil
	}
	n, ok := toFloat(v)
	if !ok || n < 0 || n > 0xffff || n != math.Trunc(n) {
		return 0, fmt.Errorf("cannot have a manufacturerCode of %s: it is a number from 0 to 65535", shown(v))
	}
	return uint16(n), nil
}

// maxAttributes bounds a general command.
const maxAttributes = 16

func (w *wish) readAny(endpoint string) error {
	m, cluster, err := w.target(endpoint)
	if err != nil {
		return err
	}
	code, err := manufacturer(m)
	if err != nil {
		return err
	}
	list, ok := m["attributes"].([]any)
	if !ok || len(list) == 0 || len(list) > maxAttributes {
		return fmt.Errorf("cannot read %s: attributes is a list of 1 to %d names or numbers", shown(m["attributes"]), maxAttributes)
	}
	var ids []uint16
	for _, v := range list {
		a, err := attributeIn(cluster, v)
		if err != nil {
			return fmt.Errorf("cannot read: %w", err)
		}
		ids = append(ids, a.ID)
	}
	w.read(cluster, code, ids...)
	return nil
}

func attributeIn(cluster uint16, v any) (zcl.AttributeInfo, error) {
	if n, ok := v.(float64); ok {
		return zcl.ParseAttribute(cluster, strconv.FormatFloat(n, 'f', -1, 64))
	}
	s, _ := v.(string)
	return zcl.ParseAttribute(cluster, s)
}

// writeAny writes attributes: {"cluster":…, "payload":{"name": value}} or, for
// one without a name, {"1234": {"value": 1, "type": 32}}.
func (w *wish) writeAny(endpoint string) error {
	m, cluster, err := w.target(endpoint)
	if err != nil {
		return err
	}
	code, err := manufacturer(m)
	if err != nil {
		return err
	}
	payload, ok := m["payload"].(map[string]any)
	if !ok || len(payload) == 0 || len(payload) > maxAttributes {
		return fmt.Errorf("cannot write %s: payload is an object of 1 to %d attributes", shown(m["payload"]), maxAttributes)
	}
	for _, name := range slices.Sorted(maps.Keys(payload)) {
		a, err := zcl.ParseAttribute(cluster, name)
		if err != nil {
			return fmt.Errorf("cannot write: %w", err)
		}
		value := payload[name]
		if o, is := value.(map[string]any); is {
			t, ok := toFloat(o["type"])
			if !ok || t < 0 || t > 0xff {
				return fmt.Errorf("cannot write %s: its type is a number from 0 to 255", name)
			}
			a.Type, value = zcl.DataType(t), o["value"]
		}
		v, err := valueOf(a.Type, value)
		if err != nil {
			return fmt.Errorf("cannot write %s: %w", name, err)
		}
		w.write(cluster, code, a.ID, v)
	}
	return nil
}

// valueOf is a JSON value as one of a type.
func valueOf(t zcl.DataType, v any) (zcl.Value, error) {
	size := t.Size()
	if s, ok := v.(string); ok && t == zcl.CharString {
		return zcl.Text(s), nil
	}
	if b, ok := v.(bool); ok && t == zcl.Bool {
		if b {
			return zcl.Number(t, 1), nil
		}
		return zcl.Number(t, 0), nil
	}
	n, ok := toFloat(v)
	if !ok || size == 0 || size > 8 || math.IsNaN(n) || math.Abs(n) > 1<<53 {
		return zcl.Value{}, fmt.Errorf("%s does not fit its type (%v)", shown(v), t)
	}
	switch t {
	case zcl.SingleFloat:
		return zcl.Number(t, uint64(math.Float32bits(float32(n)))), nil
	case zcl.DoubleFloat:
		return zcl.Number(t, math.Float64bits(n)), nil
	}
	if most := math.Pow(2, float64(8*size)); n != math.Trunc(n) || n >= most || n < -most/2 {
		return zcl.Value{}, fmt.Errorf("%s does not fit its type (%v)", shown(v), t)
	}
	return zcl.Number(t, uint64(int64(n))), nil
}

// commandAny sends a command without or with bytes: {"cluster":…, "command":
// number, "payload": [bytes]}.
func (w *wish) commandAny(endpoint string) error {
	m, cluster, err := w.target(endpoint)
	if err != nil {
		return err
	}
	code, err := manufacturer(m)
	if err != nil {
		return err
	}
	id, ok := toFloat(m["command"])
	if !ok || id < 0 || id > 255 || id != math.Trunc(id) {
		return fmt.Errorf("cannot have a command of %s: it is a number from 0 to 255", shown(m["command"]))
	}
	var payload []byte
	list, _ := m["payload"].([]any)
	if m["payload"] != nil && list == nil || len(list) > 64 {
		return fmt.Errorf("cannot have a payload of %s: it is a list of at most 64 bytes", shown(m["payload"]))
	}
	for _, v := range list {
		b, ok := toFloat(v)
		if !ok || b < 0 || b > 255 || b != math.Trunc(b) {
			return fmt.Errorf("cannot have %s in the payload: it is a list of bytes", shown(v))
		}
		payload = append(payload, byte(b))
	}
	w.do(cluster, code, byte(id), payload...)
	return nil
}

// Commands of the scenes cluster. Source: ZCL8 §3.7.2.4.
const (
	sceneRemove    = 0x02
	sceneRemoveAll = 0x03
	sceneStore     = 0x04
	sceneRecall    = 0x05
)

// scene stores, recalls and removes scenes that a device has by itself: those
// of group 0.
func (w *wish) scene(endpoint string) error {
	w.endpoint = w.named(endpoint, zcl.ClusterScenes)
	if w.model.scenes == 0 {
		return fmt.Errorf("has no scenes")
	}
	group := binary.LittleEndian.AppendUint16(nil, 0)
	if w.key == "scene_remove_all" {
		w.do(zcl.ClusterScenes, 0, sceneRemoveAll, group...)
		return nil
	}
	v := w.value
	if m, ok := v.(map[string]any); ok {
		v = m["ID"]
	}
	n, ok := toFloat(v)
	if !ok || n < 0 || n > 255 || n != math.Trunc(n) {
		return fmt.Errorf("cannot do %s with %s: a scene is a number from 0 to 255", w.key, shown(w.value))
	}
	command := map[string]uint8{"scene_store": sceneStore, "scene_recall": sceneRecall, "scene_remove": sceneRemove}[w.key]
	w.do(zcl.ClusterScenes, 0, command, append(group, byte(n))...)
	return nil
}
