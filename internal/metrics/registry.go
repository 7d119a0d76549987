package metrics

import (
	"fmt"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/discovery"
	"github.com/smartcore-ireland/hems/internal/store"
)

// maxEntities is how many entities are learnt; a home has hundreds. Those with a
// unique id that was stored in an earlier run are learnt all the same: what
// floods the broker before they are announced does not take their place.
const maxEntities = 5000

// entity is a sensor or something with two values whose states are stored.
type entity struct {
	discovery.Entity
	value  float64       // the latest
	text   string        // the same, where it was one
	owner  string        // the discovery topic and key that announced it
	series string        // the name of its series: its entity id, made unique
	last   time.Time     // of its latest reading
	rests  time.Duration // until then by the clock that counts, its template is not used
	ill    bool          // its latest state could not be read, which was logged
}

// registry holds the entities by what asks for them. It is not safe for
// several goroutines.
type registry struct {
	byOwner map[string]*entity
	bySerie map[string]*entity
	byTopic map[string][]*entity
	byUID   map[string]*entity
	owners  map[string][]string // discovery topic → owners it announces
	// before are the unique ids by series name, of earlier runs: two entities
	// of one name keep the names they had, whoever is announced first.
	before map[string]string
	stored map[string]bool // the unique ids in before
	// domains are those of the entities that are learnt.
	domains map[string]bool
}

// Domains are those of the entities that can be read; DefaultDomains are read
// unless others are asked for.
var (
	Domains        = []string{"binary_sensor", "light", "number", "select", "sensor", "switch", "text"}
	DefaultDomains = []string{"binary_sensor", "sensor", "switch"}
)

func newRegistry(known map[int64]store.Series, domains ...string) *registry {
	if len(domains) == 0 {
		domains = DefaultDomains
	}
	r := &registry{
		domains: map[string]bool{},
		byOwner: map[string]*entity{}, bySerie: map[string]*entity{}, byTopic: map[string][]*entity{},
		byUID: map[string]*entity{}, owners: map[string][]string{}, before: map[string]string{}, stored: map[string]bool{},
	}
	for _, d := range domains {
		r.domains[d] = true
	}
	for _, s := range known {
		if s.UniqueID != "" {
			r.before[s.Entity], r.stored[s.UniqueID] = s.UniqueID, true
		}
	}
	return r
}

func (r *registry) len() int { return len(r.byOwner) }

// apply brings the registry to what a discovery document says and returns the
// entities it announces. What it no longer announces is forgotten. An entity
// whose unique id is announced elsewhere moves there.
func (r *registry) apply(c discovery.Config) (learnt []*entity, err error) {
	old := map[string]*entity{}
	for _, owner := range r.owners[c.ID] {
		if e := r.byOwner[owner]; e != nil {
			old[owner] = e
			r.remove(e)
		}
	}
	delete(r.owners, c.ID)
	for _, d := range c.Entities {
		if !r.domains[d.Component] || d.StateTopic == "" {
			continue
		}
		if r.len() >= maxEntities && !r.stored[d.UniqueID] {
			return learnt, fmt.Errorf("there are already %d entities, and no more are taken", maxEntities)
		}
		e := &entity{Entity: d, owner: c.ID + "|" + d.Key}
		if was := old[e.owner]; was != nil {
			e.last, e.value, e.text = was.last, was.value, was.text
		}
		if other := r.byUID[d.UniqueID]; other != nil {
			r.remove(other)
		}
		e.series = r.name(d)
		r.byOwner[e.owner], r.bySerie[e.series] = e, e
		if d.UniqueID != "" {
			r.byUID[d.UniqueID] = e
		}
		r.byTopic[d.StateTopic] = append(r.byTopic[d.StateTopic], e)
		r.owners[c.ID] = append(r.owners[c.ID], e.owner)
		learnt = append(learnt, e)
	}
	return learnt, nil
}

// name finds a free name for a series: that of the entity id, or as Home
// Assistant does, with _2, _3 and so on behind it.
func (r *registry) name(d discovery.Entity) string {
	free := ""
	for i := 1; i <= maxEntities+1; i++ {
		name := d.EntityID
		if i > 1 {
			name = fmt.Sprintf("%s_%d", d.EntityID, i)
		}
		uid, seen := r.before[name]
		taken := r.bySerie[name] != nil
		switch {
		case !taken && seen && uid == d.UniqueID:
			return name // as it was called before
		case !taken && free == "":
			free = name
		}
		if !taken && !seen {
			break
		}
	}
	return free
}

// remove forgets an entity.
func (r *registry) remove(e *entity) {
	delete(r.byOwner, e.owner)
	delete(r.bySerie, e.series)
	if r.byUID[e.UniqueID] == e {
		delete(r.byUID, e.UniqueID)
	}
	rest := slices.DeleteFunc(r.byTopic[e.StateTopic], func(o *entity) bool { return o == e })
	if len(rest) == 0 {
		delete(r.byTopic, e.StateTopic)
	} else {
		r.byTopic[e.StateTopic] = rest
	}
}
