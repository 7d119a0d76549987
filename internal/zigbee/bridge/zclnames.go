package bridge

import "github.com/smartcore-ireland/hems/internal/zigbee/zcl"

// Names of clusters and attributes in bridge/devices, as Zigbee2MQTT has them.
// One without a name appears as its number.

func clusterName(id uint16) string { return zcl.ClusterName(id) }

func clusterNames(ids []uint16) []string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = clusterName(id)
	}
	return list
}

// attributeName is a name, or a number for an attribute without one. Those of a
// manufacturer have none: they share numbers with standard ones.
func attributeName(cluster, manufacturer, id uint16) any {
	if a, ok := zcl.AttributeOf(cluster, id); ok && manufacturer == 0 {
		return a.Name
	}
	return id
}
