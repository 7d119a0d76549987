package broker

import (
	"github.com/smartcore-ireland/hems/internal/broker/core"
	"github.com/smartcore-ireland/hems/internal/broker/retained"
)

// takeOver reads the retained messages that a broker before the journal has kept.
// Its file stays as it is, for the case that the older program comes back; if that
// has written to it, its messages are the newer ones, and are taken again.
func (b *Broker) takeOver(server *core.Server) error {
	stamp := retained.Stamp(b.opt.Dir)
	if stamp == "" || stamp == server.Note() {
		return nil
	}
	n := 0
	err := retained.Read(b.opt.Dir, func(m retained.Message) {
		p := core.Retained{
			Topic: m.Topic, Payload: m.Payload, QoS: m.QoS, Expires: m.Expires, Text: m.Properties.Text,
			ContentType: m.Properties.ContentType, ResponseTopic: m.Properties.ResponseTopic, Correlation: m.Properties.Correlation,
		}
		for _, u := range m.Properties.User {
			p.User = append(p.User, [2]string{u.Key, u.Value})
		}
		server.Retain(p)
		n++
	})
	if err != nil {
		return err
	}
	server.SetNote(stamp)
	b.log.Info("retained messages were taken over from an older broker", "messages", n)
	return b.journal.Flush()
}
