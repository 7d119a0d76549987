package device

import (
	"fmt"
	"slices"
	"strings"
)

// lookup finds a key of a message, with the endpoint of the topic if there is
// one, among those of a map.
func lookup[V any](of map[string]V, key, endpoint string) (v V, ok bool) {
	if endpoint != "" {
		if v, ok = of[joined(key, endpoint)]; ok {
			return v, true
		}
	}
	v, ok = of[key]
	return v, ok
}

// Get is what to read from the device for these keys, and an error for each
// key it cannot be asked for, as those of Set.
func (m *Model) Get(keys []string, endpoint string) (list []Action, errs []error) {
	for _, key := range keys {
		reads, ok := lookup(m.gets, key, endpoint)
		if !ok {
			errs = append(errs, fmt.Errorf("cannot be asked for '%.100s'%s", key, m.whichEndpoint(key)))
			continue
		}
		for _, a := range reads {
			list = appendRead(list, a)
		}
	}
	return list, errs
}

// whichEndpoint helps with a key that exists only with the name of an
// endpoint.
func (m *Model) whichEndpoint(key string) string {
	var like []string
	for property := range m.gets {
		if strings.HasPrefix(property, key+"_") {
			like = append(like, property)
		}
	}
	for property := range m.settings {
		if strings.HasPrefix(property, key+"_") && !slices.Contains(like, property) {
			like = append(like, property)
		}
	}
	if len(like) == 0 || len(like) > 4 {
		return ""
	}
	slices.Sort(like)
	return ": there are " + strings.Join(like, ", ")
}

// appendRead adds an attribute to the reads of its cluster.
func appendRead(list []Action, a address) []Action {
	i := slices.IndexFunc(list, func(r Action) bool {
		return r.Kind == Read && r.Endpoint == a.endpoint && r.Cluster == a.cluster && r.Manufacturer == a.manufacturer && len(r.IDs) < maxRead
	})
	if i < 0 {
		i = len(list)
		list = append(list, Action{Kind: Read, Endpoint: a.endpoint, Cluster: a.cluster, Manufacturer: a.manufacturer})
	}
	if !slices.Contains(list[i].IDs, a.attribute) {
		list[i].IDs = append(list[i].IDs, a.attribute)
	}
	return list
}
