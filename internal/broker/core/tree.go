package core

import "strings"

// tree holds subscriptions by topic filter (MQTT 5, 4.7).
type tree struct {
	root  node
	count int
}

type node struct {
	kids   map[string]*node
	subs   []*subscription
	shares []*share
}

// subscription of one session.
type subscription struct {
	sess   *session
	filter string // as the client gave it, with $share
	id     uint32 // subscription identifier; 0: none
	qos    byte
	// Options of MQTT 5, 3.8.3.1.
	noLocal, asPublished bool
	share                *share // nil: not shared
}

// find is the node of a filter, made where it is missing.
func (t *tree) find(filter string) *node {
	n := &t.root
	for rest, more := filter, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		kid := n.kids[level]
		if kid == nil {
			kid = &node{}
			if n.kids == nil {
				n.kids = make(map[string]*node, 1)
			}
			n.kids[strings.Clone(level)] = kid
		}
		n = kid
	}
	return n
}

// add puts a subscription in the place of the one that its session has for the
// same filter, if any.
func (t *tree) add(sub *subscription) {
	group, filter := splitShare(sub.filter)
	n := t.find(filter)
	if group == "" {
		for i, old := range n.subs {
			if old.sess == sub.sess {
				n.subs[i] = sub
				return
			}
		}
		n.subs = append(n.subs, sub)
		t.count++
		return
	}
	var sh *share
	for _, s := range n.shares {
		if s.group == group {
			sh = s
		}
	}
	if sh == nil {
		sh = &share{group: group}
		n.shares = append(n.shares, sh)
	}
	sub.share = sh
	for i, old := range sh.members {
		if old.sess == sub.sess {
			sh.members[i] = sub
			return
		}
	}
	sh.members = append(sh.members, sub)
	t.count++
}

// remove takes a subscription away, and the nodes that nobody needs any more.
func (t *tree) remove(sub *subscription) {
	_, filter := splitShare(sub.filter)
	if t.root.remove(filter, sub) {
		t.count--
	}
}

func (n *node) remove(filter string, sub *subscription) (removed bool) {
	level, rest, more := strings.Cut(filter, "/")
	kid := n.kids[level]
	if kid == nil {
		return false
	}
	switch {
	case more:
		removed = kid.remove(rest, sub)
	case sub.share == nil:
		kid.subs, removed = without(kid.subs, sub)
	default:
		if sub.share.members, removed = without(sub.share.members, sub); len(sub.share.members) == 0 {
			kid.shares, _ = without(kid.shares, sub.share)
		}
	}
	if len(kid.kids) == 0 && len(kid.subs) == 0 && len(kid.shares) == 0 {
		delete(n.kids, level)
	}
	return removed
}

func without[T comparable](all []T, one T) ([]T, bool) {
	for i, v := range all {
		if v == one {
			all = append(all[:i:i], all[i+1:]...)
			return all, true
		}
	}
	return all, false
}

// match calls f for each node whose filter matches the topic. Wildcards do not
// match a first level that begins with $ [MQTT-4.7.2-1].
func (t *tree) match(topic string, f func(*node)) {
	t.root.match(topic, topic[0] == '$', f)
}

func (n *node) match(topic string, special bool, f func(*node)) {
	if len(n.kids) == 0 {
		return
	}
	level, rest, more := strings.Cut(topic, "/")
	step := func(kid *node) {
		if more {
			kid.match(rest, false, f)
			return
		}
		f(kid)
		if all := kid.kids["#"]; all != nil { // a/# matches a
			f(all)
		}
	}
	if kid := n.kids[level]; kid != nil {
		step(kid)
	}
	if special {
		return
	}
	if kid := n.kids["+"]; kid != nil {
		step(kid)
	}
	if all := n.kids["#"]; all != nil {
		f(all)
	}
}

// splitShare takes $share/group/ off a filter (MQTT 5, 4.8.2).
func splitShare(filter string) (group, rest string) {
	if shared, ok := strings.CutPrefix(filter, "$share/"); ok {
		if group, rest, ok := strings.Cut(shared, "/"); ok {
			return group, rest
		}
	}
	return "", filter
}
