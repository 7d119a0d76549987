package core

// will is what is published when a client goes without a goodbye (MQTT 5, 3.1.2.5).
type will struct {
	topic   string
	payload []byte
	props   []byte
	expiry  uint32
	expires bool
	delay   uint32 // seconds
	qos     byte
	retain  bool
}

// bequeath publishes a will, at once or after its delay. A session that ends
// sooner takes its will with it then [MQTT-3.1.3-9].
func (s *Server) bequeath(sess *session, w *will) {
	if w.delay == 0 || sess.number == 0 {
		s.publishWill(sess, w)
		return
	}
	sess.will = w
	sess.willAt = s.now() + int64(w.delay)*1000
	s.record(recWill, s.appendWill(appendUint(nil, sess.number), w, sess.willAt), false)
	s.wind(sess)
}

func (s *Server) publishWill(sess *session, w *will) {
	if sess.identity == nil || !sess.identity.MayWrite(w.topic) {
		return // the access list may have changed since
	}
	p := publication{topic: w.topic, payload: w.payload, props: w.props, qos: w.qos, retain: w.retain, own: true, from: sess}
	if w.expires {
		p.expires = s.now() + max(int64(w.expiry)*1000, 1)
	}
	if p.retain && len(p.payload) > 0 && !s.mayRetain(&p) {
		p.retain = false
	}
	s.publish(&p, s.newRoute(w.topic))
}
