package bridge

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// The Scenes cluster and its commands. Each but recall has an answer with the
// same number. Source: ZCL8 §3.7.2.
const (
	clusterScenes  uint16 = 0x0005
	sceneAdd       uint8  = 0x00
	sceneRemove    uint8  = 0x02
	sceneRemoveAll uint8  = 0x03
	sceneStore     uint8  = 0x04
	sceneRecall    uint8  = 0x05
)

// Limits on scenes.
const (
	maxScenes     = 64 // of an endpoint or a group
	maxSceneName  = 100
	maxTransition = 6553.0 // seconds
)

// shown is how people call a scene.
func (s scene) shown() string {
	if s.Name != "" {
		return s.Name
	}
	return fmt.Sprintf("Scene %d", s.ID)
}

// isSceneKey reports whether a key of a /set message is about scenes.
func isSceneKey(key string) bool {
	switch key {
	case "scene_store", "scene_recall", "scene_add", "scene_remove", "scene_remove_all", "scene_rename":
		return true
	}
	return false
}

// sceneTarget is whose scenes are meant: an endpoint of a device, or a group.
type sceneTarget struct {
	device   *device
	endpoint uint8
	group    *group
}

func (t sceneTarget) groupID() uint16 {
	if t.group != nil {
		return t.group.id
	}
	return 0
}

// sceneWish is the value of a scene key: a number, or an object with it.
type sceneWish struct {
	ID         *float64        `json:"ID"`
	Name       string          `json:"name"`
	GroupID    *float64        `json:"group_id"`
	Transition float64         `json:"transition"`
	State      *string         `json:"state"`
	Brightness *float64        `json:"brightness"`
	Position   *float64        `json:"position"`
	ColorTemp  *float64        `json:"color_temp"`
	Color      json.RawMessage `json:"color"`
}

func parseSceneWish(key string, raw json.RawMessage) (w sceneWish, err error) {
	var n *float64
	switch {
	case json.Unmarshal(raw, &n) == nil: // nil for null
		w.ID = n
	case json.Unmarshal(raw, &w) == nil:
	case key == "scene_remove_all": // any value will do
		return w, nil
	default:
		return w, fmt.Errorf("'%s' must be the number of a scene or an object with 'ID'", key)
	}
	if key == "scene_remove_all" {
		return w, nil
	}
	switch {
	case w.ID == nil || *w.ID != math.Trunc(*w.ID) || *w.ID < 0 || *w.ID > 255:
		return w, fmt.Errorf("'%s' needs a number of a scene from 0 to 255", key)
	case len(w.Name) > maxSceneName || strings.ToValidUTF8(w.Name, "") != w.Name:
		return w, fmt.Errorf("the name of a scene has at most %d bytes", maxSceneName)
	case w.Transition < 0 || w.Transition > maxTransition:
		return w, fmt.Errorf("a transition takes from 0 to %v s", maxTransition)
	case w.GroupID != nil && (*w.GroupID != math.Trunc(*w.GroupID) || *w.GroupID < 0 || *w.GroupID > maxGroupID):
		return w, fmt.Errorf("'group_id' must be the number of a group")
	}
	return w, nil
}

// setScene does what a scene key of a /set message says. What fails is logged,
// as for every such message.
func (b *Bridge) setScene(ctx context.Context, t sceneTarget, key string, raw json.RawMessage) {
	name := ""
	if t.group != nil {
		name = t.group.Name
	} else {
		name = b.names.name(t.device.EUI64)
	}
	w, err := parseSceneWish(key, raw)
	if err == nil {
		err = b.doScene(ctx, t, key, w, func(err error) {
			if err != nil {
				b.logging(slog.LevelError, fmt.Sprintf("'%s' of '%s' failed: %v", key, name, err))
			}
		})
	}
	if err != nil {
		b.warnLimited("scene", fmt.Sprintf("'%s' of '%s' failed: %v", key, name, err))
	}
}

func (b *Bridge) doScene(ctx context.Context, t sceneTarget, key string, w sceneWish, done func(error)) error {
	id, groupID := uint8(0), t.groupID()
	if w.ID != nil {
		id = uint8(*w.ID)
	}
	if t.group == nil && w.GroupID != nil {
		groupID = uint16(*w.GroupID)
	}
	head := append(binary.LittleEndian.AppendUint16(nil, groupID), id)
	list := b.scenesOf(t)
	known := slices.IndexFunc(list, func(s scene) bool { return s.ID == id && s.Group == groupID })
	switch key {
	case "scene_rename":
		if known < 0 {
			return fmt.Errorf("there is no scene %d", id)
		}
		list[known].Name = w.Name
		return b.keepScenes(t, list)
	case "scene_recall":
		return b.sceneCommands(ctx, t, []sceneStep{{sceneRecall, head}}, func(err error) {
			if err == nil && known >= 0 {
				b.recalled(t, list[known].State)
			}
			done(err)
		})
	case "scene_remove":
		return b.sceneCommands(ctx, t, []sceneStep{{sceneRemove, head}}, b.thenScenes(t, done, func(list []scene) []scene {
			return slices.DeleteFunc(list, func(s scene) bool { return s.ID == id && s.Group == groupID })
		}))
	case "scene_remove_all":
		return b.sceneCommands(ctx, t, []sceneStep{{sceneRemoveAll, head[:2]}}, b.thenScenes(t, done, func(list []scene) []scene {
			return slices.DeleteFunc(list, func(s scene) bool { return s.Group == groupID })
		}))
	}
	// To add or to store.
	if groupID == 0 && id == 0 {
		return errors.New("the scene 0 without a group is the device's own")
	}
	if known < 0 && len(list) >= maxScenes {
		return fmt.Errorf("there are %d scenes already; remove one", maxScenes)
	}
	s := scene{ID: id, Name: w.Name, Group: groupID}
	if known >= 0 && s.Name == "" {
		s.Name = list[known].Name
	}
	steps := []sceneStep{{sceneStore, head}}
	if key == "scene_add" {
		sets, state, err := w.extensions()
		if err != nil {
			return err
		}
		s.State = state
		add := binary.LittleEndian.AppendUint16(slices.Clone(head), uint16(w.Transition))
		// What was there before would be merged with it otherwise.
		steps = []sceneStep{{sceneRemove, head}, {sceneAdd, append(append(add, 0), sets...)}}
	} else {
		s.State = b.sceneState(t)
	}
	return b.sceneCommands(ctx, t, steps, b.thenScenes(t, done, func(list []scene) []scene {
		list = slices.DeleteFunc(list, func(x scene) bool { return x.ID == id && x.Group == groupID })
		list = append(list, s)
		slices.SortStableFunc(list, func(a, b scene) int { return int(a.ID) - int(b.ID) })
		return list
	}))
}

// extensions are the extension field sets of a scene that is described, and
// the state after it. Source: ZCL8 §3.7.2.4.2, §3.8.2.5, §3.10.2.5, §5.2.2.5.
func (w sceneWish) extensions() (sets []byte, state map[string]any, err error) {
	state = make(map[string]any)
	if w.ColorTemp != nil && w.Color != nil {
		return nil, nil, errors.New("a scene has either 'color_temp' or 'color'")
	}
	if w.State != nil {
		on := byte(0)
		switch strings.ToUpper(*w.State) {
		case "ON":
			on = 1
		case "OFF":
		default:
			return nil, nil, errors.New("'state' of a scene must be ON or OFF")
		}
		sets = append(sets, 0x06, 0x00, 1, on)
		state["state"] = strings.ToUpper(*w.State)
	}
	if w.Brightness != nil {
		if *w.Brightness < 0 || *w.Brightness > 254 {
			return nil, nil, errors.New("'brightness' of a scene must be from 0 to 254")
		}
		sets = append(sets, 0x08, 0x00, 1, byte(*w.Brightness))
		state["brightness"] = *w.Brightness
	}
	if w.Position != nil {
		if *w.Position < 0 || *w.Position > 100 {
			return nil, nil, errors.New("'position' of a scene must be from 0 to 100")
		}
		sets = append(sets, 0x02, 0x01, 1, byte(100-*w.Position))
		state["position"] = *w.Position
	}
	var x, y float64
	switch {
	case w.ColorTemp != nil:
		if *w.ColorTemp < 50 || *w.ColorTemp > 1000 {
			return nil, nil, errors.New("'color_temp' of a scene must be from 50 to 1000")
		}
		x, y = whitePoint(*w.ColorTemp)
		state["color_temp"], state["color_mode"] = *w.ColorTemp, "color_temp"
	case w.Color != nil:
		var c struct{ X, Y *float64 }
		if json.Unmarshal(w.Color, &c) != nil || c.X == nil || c.Y == nil || *c.X < 0 || *c.X > 1 || *c.Y < 0 || *c.Y > 1 {
			return nil, nil, errors.New("'color' of a scene must have 'x' and 'y' from 0 to 1")
		}
		x, y = *c.X, *c.Y
		state["color"], state["color_mode"] = map[string]any{"x": x, "y": y}, "xy"
	default:
		return sets, state, nil
	}
	sets = append(sets, 0x00, 0x03, 4)
	sets = binary.LittleEndian.AppendUint16(sets, uint16(math.Round(x*65535)))
	return binary.LittleEndian.AppendUint16(sets, uint16(math.Round(y*65535))), state, nil
}

// whitePoint is the colour of a white of so many mireds, as x and y of CIE
// 1931. Source: Kim et al., "Design of advanced color temperature control
// system for HDTV applications", 2002: cubic splines of the Planckian locus.
func whitePoint(mireds float64) (x, y float64) {
	t := min(max(1e6/mireds, 1667), 25000)
	if t <= 4000 {
		x = -0.2661239e9/(t*t*t) - 0.2343589e6/(t*t) + 0.8776956e3/t + 0.179910
	} else {
		x = -3.0258469e9/(t*t*t) + 2.1070379e6/(t*t) + 0.2226347e3/t + 0.240390
	}
	switch {
	case t <= 2222:
		y = -1.1063814*x*x*x - 1.34811020*x*x + 2.18555832*x - 0.20219683
	case t <= 4000:
		y = -0.9549476*x*x*x - 1.37418593*x*x + 2.09137015*x - 0.16748867
	default:
		y = 3.0817580*x*x*x - 5.87338670*x*x + 3.75112997*x - 0.37001483
	}
	return x, y
}

// sceneStep is one command of the Scenes cluster.
type sceneStep struct {
	id      uint8
	payload []byte
}

// sceneCommands sends commands one after the other, away from the goroutine of
// Run, and gives it the result.
func (b *Bridge) sceneCommands(ctx context.Context, t sceneTarget, steps []sceneStep, done func(error)) error {
	group := t.groupID()
	var e zcl.EUI64 // read here: the device belongs to this goroutine
	if t.device != nil {
		e = t.device.EUI64
	}
	return b.long(ctx, func(ctx context.Context) error {
		for _, s := range steps {
			c := network.Command{Endpoint: t.endpoint, Cluster: clusterScenes, ID: s.id, Payload: s.payload}
			if t.group != nil {
				if err := b.net.GroupCommand(ctx, group, c); err != nil {
					return err
				}
				continue
			}
			r, err := b.net.Command(ctx, e, c)
			if err != nil {
				return err
			}
			if err := sceneRefused(s.id, r); err != nil {
				return err
			}
		}
		return nil
	}, done)
}

// sceneRefused is why the answer to a scene command is a no, or nil. A scene
// that is to be removed and is not there is as good.
func sceneRefused(id uint8, r zcl.Frame) error {
	if !r.ClusterSpecific || r.Command != id || len(r.Payload) == 0 {
		return nil // the network has looked at a default response
	}
	s := zcl.Status(r.Payload[0])
	if s == zcl.StatusSuccess || id == sceneRemove && s == zcl.StatusNotFound {
		return nil
	}
	return fmt.Errorf("the device refuses: %v", s)
}

// scenesOf is a copy of what is kept of a target's scenes.
func (b *Bridge) scenesOf(t sceneTarget) []scene {
	if t.group != nil {
		return slices.Clone(t.group.Scenes)
	}
	return slices.Clone(b.options.Scenes[t.device.EUI64][t.endpoint])
}

// thenScenes keeps changed scenes when the commands were good.
func (b *Bridge) thenScenes(t sceneTarget, done func(error), change func([]scene) []scene) func(error) {
	return func(err error) {
		if err == nil {
			err = b.keepScenes(t, change(b.scenesOf(t)))
		}
		done(err)
	}
}

// keepScenes makes the scenes of a target durable and says what they are.
func (b *Bridge) keepScenes(t sceneTarget, list []scene) error {
	if t.group != nil {
		if err := b.groups.change(t.group, func(g *group) { g.Scenes = list }); err != nil {
			return err
		}
		b.setGroups()
		return nil
	}
	e := t.device.EUI64
	old := b.options.Scenes[e]
	now := maps.Clone(old)
	if now == nil {
		now = make(map[uint8][]scene)
	}
	if now[t.endpoint] = list; len(list) == 0 {
		delete(now, t.endpoint)
	}
	if b.options.Scenes[e] = now; len(now) == 0 {
		delete(b.options.Scenes, e)
	}
	if err := b.options.save(); err != nil {
		if b.options.Scenes[e] = old; old == nil {
			delete(b.options.Scenes, e)
		}
		return err
	}
	b.setDevices()
	if d, ok := b.devices[e]; ok {
		b.setDevice(d)
	}
	return nil
}

// sceneState is what a target is like now, for a scene that stores it.
func (b *Bridge) sceneState(t sceneTarget) map[string]any {
	from := map[string]any(nil)
	if t.group != nil {
		from = t.group.state
	} else if st, ok := b.states.of[t.device.EUI64]; ok {
		from = b.byEndpoint(t.device, st.Values)[t.endpoint]
	}
	state := make(map[string]any)
	for k, v := range from {
		if shared[k] {
			state[k] = v
		}
	}
	return state
}

// recalled publishes what a scene has made of its target.
func (b *Bridge) recalled(t sceneTarget, state map[string]any) {
	if len(state) == 0 {
		return
	}
	if t.group != nil {
		b.groupChanged(t.group, state)
		return
	}
	if d, ok := b.devices[t.device.EUI64]; ok {
		b.takeOver(d, t.endpoint, state)
	}
}
