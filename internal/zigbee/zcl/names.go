package zcl

import (
	"fmt"
	"strconv"
	"strings"
)

// AttributeInfo is a standard attribute of a cluster.
type AttributeInfo struct {
	ID   uint16
	Type DataType
	Name string
}

type attributeKey struct{ cluster, attribute uint16 }

var (
	clusterIDs      = make(map[string]uint16)
	attributeInfos  = make(map[attributeKey]AttributeInfo)
	attributeByName = make(map[uint16]map[string]AttributeInfo)
)

func init() {
	for id, name := range clusterNames {
		clusterIDs[name] = id
	}
	for _, table := range []map[uint16][]AttributeInfo{attributeTable, energyAttributes} {
		for cluster, list := range table {
			byName := make(map[string]AttributeInfo, len(list))
			for _, a := range list {
				attributeInfos[attributeKey{cluster, a.ID}] = a
				byName[a.Name] = a
			}
			attributeByName[cluster] = byName
		}
	}
}

// ClusterName is the name of a cluster, or its number in decimal.
func ClusterName(id uint16) string {
	if name, ok := clusterNames[id]; ok {
		return name
	}
	return strconv.Itoa(int(id))
}

// ParseCluster is the cluster of a name or a number, decimal or hexadecimal
// with 0x before it.
func ParseCluster(s string) (uint16, error) {
	if id, ok := clusterIDs[s]; ok {
		return id, nil
	}
	if id, err := parseNumber(s); err == nil {
		return id, nil
	}
	return 0, fmt.Errorf("there is no cluster called '%.64s': give a name such as genOnOff, or a number", s)
}

// AttributeOf is what the specification says of a standard attribute.
func AttributeOf(cluster, id uint16) (a AttributeInfo, ok bool) {
	a, ok = attributeInfos[attributeKey{cluster, id}]
	return a, ok
}

// AttributeName is the name of an attribute, or its number in decimal. Those of
// a manufacturer have none: they share their numbers with standard ones.
func AttributeName(cluster, manufacturer, id uint16) string {
	if a, ok := AttributeOf(cluster, id); ok && manufacturer == 0 {
		return a.Name
	}
	return strconv.Itoa(int(id))
}

// ParseAttribute is the attribute of a name or a number. The type of one that
// the table does not have is Unknown.
func ParseAttribute(cluster uint16, s string) (AttributeInfo, error) {
	if a, ok := attributeByName[cluster][s]; ok {
		return a, nil
	}
	id, err := parseNumber(s)
	if err != nil {
		return AttributeInfo{}, fmt.Errorf("cluster %s has no attribute called '%.64s': give a name of it, or a number", ClusterName(cluster), s)
	}
	if a, ok := AttributeOf(cluster, id); ok {
		return a, nil
	}
	return AttributeInfo{ID: id, Type: Unknown, Name: strconv.Itoa(int(id))}, nil
}

func parseNumber(s string) (uint16, error) {
	base := 10
	if hex, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
		s, base = hex, 16
	}
	n, err := strconv.ParseUint(s, base, 16)
	return uint16(n), err
}
