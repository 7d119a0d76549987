package acl

import "strings"

// Rights are what one client may do: the list, applied to its user and client id.
type Rights struct{ own, patterns rules }

// For are the rights of a user's client.
func (l *List) For(user, client string) *Rights {
	var own rules
	if r := l.users[user]; r != nil {
		own = *r
	}
	return l.rights(own, user, client, true)
}

// ForAnonymous are the rights of a client without a user name.
func (l *List) ForAnonymous(client string) *Rights {
	return l.rights(l.anonymous, "", client, false)
}

func (l *List) rights(own rules, user, client string, named bool) *Rights {
	r := &Rights{own: own}
	// Who is called "+" must not get everybody's topics through a pattern. Then no
	// pattern counts for it, as in Mosquitto.
	if named && strings.ContainsAny(user, "+#") || strings.ContainsAny(client, "+#") {
		return r
	}
	expand := func(from []Rule) (out []Rule) {
		for _, p := range from {
			if !named && strings.Contains(p.Filter, "%u") {
				continue
			}
			out = append(out, Rule{p.Access, fill(p.Filter, user, client, named)})
		}
		return out
	}
	r.patterns = rules{expand(l.patterns.deny), expand(l.patterns.allow)}
	return r
}

// fill puts user and client id into a pattern, once through: what they contain
// is not looked at again.
func fill(pattern, user, client string, named bool) string {
	if named {
		return strings.NewReplacer("%u", user, "%c", client).Replace(pattern)
	}
	return strings.ReplaceAll(pattern, "%c", client)
}

// MayRead tells whether a message of the topic may be delivered.
func (r *Rights) MayRead(topic string) bool { return r.may(Read, topic) }

// MayWrite tells whether the topic may be published to, or be that of a will.
func (r *Rights) MayWrite(topic string) bool { return r.may(Write, topic) }

func (r *Rights) may(a Access, topic string) bool {
	for _, rs := range [...]*rules{&r.own, &r.patterns} {
		for i := range rs.deny {
			if Match(rs.deny[i].Filter, topic) {
				return false
			}
		}
		for i := range rs.allow {
			if rs.allow[i].Access&a != 0 && Match(rs.allow[i].Filter, topic) {
				return true
			}
		}
	}
	return false
}

// Nothing tells whether no topic at all can be read or written.
func (r *Rights) Nothing() bool { return len(r.own.allow) == 0 && len(r.patterns.allow) == 0 }

// Match tells whether a filter that is right matches a topic name. A topic that
// begins with $ is matched by a filter that begins so, and by no other.
// (MQTT 5, 4.7.)
func Match(filter, topic string) bool {
	if topic == "" || filter == "" || (topic[0] == '$') != (filter[0] == '$') {
		return false
	}
	for {
		if filter == "#" {
			return true
		}
		f, fRest, fMore := strings.Cut(filter, "/")
		t, tRest, tMore := strings.Cut(topic, "/")
		if f != "+" && f != t {
			return false
		}
		switch {
		case !fMore && !tMore:
			return true
		case !tMore:
			return fRest == "#" // a/# matches a
		case !fMore:
			return false
		}
		filter, topic = fRest, tRest
	}
}
