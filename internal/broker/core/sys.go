package core

import (
	"fmt"
	"math"
	"runtime/metrics"
	"strconv"
	"strings"
)

// The topics of $SYS are Mosquitto's. They are in memory alone, and made only when
// somebody subscribes.

// sysWanted tells whether a filter matches any of them.
func sysWanted(filter string) bool { return strings.HasPrefix(filter, "$SYS/") }

// sysReplay sends those that a new subscription's filter matches.
func (s *Server) sysReplay(filter string, send func(*message)) {
	if !sysWanted(filter) || s.opt.SysInterval < 0 {
		return
	}
	s.sysUpdate()
	var t retainedTree
	for _, m := range s.sysTree {
		t.set(m)
	}
	t.match(filter, send)
}

// sysUpdate publishes what has changed. Without a subscription to $SYS only the
// averages go on.
func (s *Server) sysUpdate() {
	s.load1.add(s)
	if s.subs.root.kids["$SYS"] == nil {
		return
	}
	for topic, value := range s.sysValues() {
		old := s.sysTree[topic]
		if old != nil && string(old.payload) == value {
			continue
		}
		m := &message{topic: topic, payload: []byte(value)}
		s.sysTree[topic] = m
		s.publishSys(m)
	}
}

// publishSys hands out one of the broker's own messages.
func (s *Server) publishSys(m *message) {
	p := publication{topic: m.topic, payload: m.payload, own: true, msg: m}
	r := route{topic: m.topic}
	s.fillRoute(&r)
	s.scratch.reset()
	for i := range r.targets {
		if r.targets[i].sess.conn != nil { // they wait for nobody
			s.deliver(&p, &r.targets[i])
		}
	}
}

func (s *Server) sysValues() map[string]string {
	away, shared, inflight := 0, 0, 0
	waiting := 0
	for _, sess := range s.sessions {
		if sess.conn == nil {
			away++
		} else {
			inflight += sess.conn.inflight
		}
		waiting += sess.q.len()
		for _, sub := range sess.subs {
			if sub.share != nil {
				shared++
			}
		}
	}
	s.sysMax = max(s.sysMax, len(s.conns))
	heap := heapBytes()
	s.sysHeap = max(s.sysHeap, heap)
	n := func(v int) string { return strconv.Itoa(v) }
	u := func(v uint64) string { return strconv.FormatUint(v, 10) }
	v := map[string]string{
		"version":                    s.opt.Version,
		"uptime":                     fmt.Sprintf("%d seconds", (s.now()-s.start.UnixMilli())/1000),
		"clients/total":              n(len(s.sessions)),
		"clients/maximum":            n(s.sysMax),
		"clients/connected":          n(len(s.conns)),
		"clients/active":             n(len(s.conns)),
		"clients/disconnected":       n(away),
		"clients/inactive":           n(away),
		"clients/expired":            u(s.counts.expired.Load()),
		"messages/received":          u(s.counts.received.Load()),
		"messages/sent":              u(s.counts.delivered.Load()),
		"messages/inflight":          n(inflight),
		"messages/stored":            n(waiting + s.retained.count),
		"store/messages/count":       n(waiting + s.retained.count),
		"store/messages/bytes":       strconv.FormatInt(s.queued+s.retained.bytes, 10),
		"retained messages/count":    n(s.retained.count),
		"subscriptions/count":        n(s.subs.count),
		"shared_subscriptions/count": n(shared),
		"publish/messages/received":  u(s.counts.published.Load()),
		"publish/messages/sent":      u(s.counts.delivered.Load()),
		"publish/messages/dropped":   u(s.counts.dropped.Load()),
		"publish/bytes/received":     u(s.counts.bytesIn.Load()),
		"publish/bytes/sent":         u(s.out.sent.Load()),
		"bytes/received":             u(s.counts.bytesIn.Load()),
		"bytes/sent":                 u(s.out.sent.Load()),
		"heap/current":               u(heap),
		"heap/maximum":               u(s.sysHeap),
	}
	for i, minutes := range loadMinutes {
		for name, avg := range s.load1.avg {
			v[fmt.Sprintf("load/%s/%dmin", name, minutes)] = strconv.FormatFloat(avg[i], 'f', 2, 64)
		}
	}
	all := make(map[string]string, len(v))
	for name, value := range v {
		all["$SYS/broker/"+name] = value
	}
	return all
}

// heapBytes is what the program's objects take.
func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

var loadMinutes = [3]int{1, 5, 15}

// loads are averages of counts a minute, over one, five and fifteen minutes.
type loads struct {
	last map[string]uint64
	at   int64
	avg  map[string][3]float64
}

func (l *loads) add(s *Server) {
	now := s.now()
	seen := map[string]uint64{
		"messages/received": s.counts.received.Load(), "messages/sent": s.counts.delivered.Load(),
		"publish/received": s.counts.published.Load(), "publish/sent": s.counts.delivered.Load(),
		"publish/dropped": s.counts.dropped.Load(),
		"bytes/received":  s.counts.bytesIn.Load(), "bytes/sent": s.out.sent.Load(),
		"sockets": s.counts.sockets.Load(), "connections": s.counts.connected.Load(),
	}
	if l.last != nil && now > l.at {
		minutes := float64(now-l.at) / 60000
		for name, count := range seen {
			rate := float64(count-l.last[name]) / minutes
			a := l.avg[name]
			for i, over := range loadMinutes {
				k := math.Exp(-minutes / float64(over))
				a[i] = rate + k*(a[i]-rate)
			}
			l.avg[name] = a
		}
	} else if l.avg == nil {
		l.avg = map[string][3]float64{}
	}
	l.last, l.at = seen, now
}

// Tell publishes a retained message of the broker's own. Below $SYS it is in
// memory alone.
func (s *Server) Tell(topic string, payload []byte) {
	s.mu.Lock()
	defer s.unlock()
	if strings.HasPrefix(topic, "$SYS/") {
		m := &message{topic: topic, payload: payload}
		if len(payload) == 0 {
			delete(s.sysTree, topic)
		} else {
			s.sysTree[topic] = m
		}
		s.publishSys(m)
		return
	}
	p := publication{topic: topic, payload: payload, retain: true, own: true}
	s.publish(&p, s.newRoute(topic))
}
