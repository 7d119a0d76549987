package bridge

import (
	"encoding/json"
	"sync"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// clusterDefinition is one cluster in bridge/definitions. Commands are not
// listed: what can be done to a device is in its exposes.
type clusterDefinition struct {
	ID               uint16                         `json:"ID"`
	Attributes       map[string]attributeDefinition `json:"attributes"`
	Commands         struct{}                       `json:"commands"`
	CommandsResponse struct{}                       `json:"commandsResponse"`
	Name             string                         `json:"name"`
}

type attributeDefinition struct {
	ID   uint16 `json:"ID"`
	Name string `json:"name"`
	Type uint8  `json:"type"`
}

// definitions is bridge/definitions: the clusters and attributes whose names
// requests may use, and no actions.
var definitions = sync.OnceValue(func() []byte {
	clusters := make(map[string]clusterDefinition)
	for _, id := range zcl.Clusters() {
		c := clusterDefinition{ID: id, Attributes: make(map[string]attributeDefinition), Name: zcl.ClusterName(id)}
		for _, a := range zcl.Attributes(id) {
			c.Attributes[a.Name] = attributeDefinition{a.ID, a.Name, uint8(a.Type)}
		}
		clusters[c.Name] = c
	}
	payload, err := json.Marshal(map[string]any{"actions": []string{}, "clusters": clusters, "custom_clusters": struct{}{}})
	if err != nil { // nothing in it can fail to marshal
		panic(err)
	}
	return payload
})

// setDefinitions wants what never changes: bridge/definitions, and in
// Zigbee2MQTT's form the lists of code from outside, of which there is none.
func (b *Bridge) setDefinitions() {
	b.retained.set(b.topics.bridge("definitions"), definitions(), 0)
	if b.z2m2() {
		b.retained.set(b.topics.bridge("converters"), []byte("[]"), 0)
		b.retained.set(b.topics.bridge("extensions"), []byte("[]"), 0)
	}
}
