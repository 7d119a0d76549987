package broker

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/broker/uplink"
	"github.com/smartcore-ireland/hems/internal/health"
)

// bridgeAccess is what the bridges may do at our own broker: what their topics
// say, and nothing else.
func bridgeAccess(bridges []appliance.Bridge) broker.Access {
	a := broker.DefaultUsers()[appliance.BridgeUser]
	for _, b := range bridges {
		read, write := b.Table().Access()
		a.Read, a.Write = append(a.Read, read...), append(a.Write, write...)
		a.QueueQoS0 = a.QueueQoS0 || b.QueueQoS0 // they are one user
	}
	return a
}

// connections are the bridges of hems.yaml.
func connections(env appliance.Env, bridges []appliance.Bridge) (all []uplink.Connection) {
	on := func(b *bool) bool { return b == nil || *b }
	file := func(name string) string {
		if name == "" {
			return ""
		}
		return env.Secret(name)
	}
	for _, b := range bridges {
		c := uplink.Connection{
			Name: b.Connection, Addresses: b.HostPorts(), Topics: b.Table(), RoundRobin: b.RoundRobin,
			ClientID: b.RemoteClientID, Username: b.RemoteUsername,
			CleanSession: b.CleanSession, KeepAlive: time.Duration(b.KeepaliveInterval) * time.Second,
			Version: uplink.Version(b.BridgeProtocolVersion), TryPrivate: on(b.TryPrivate), QueueQoS0: b.QueueQoS0,
			Notify: on(b.Notifications), NotifyRemote: on(b.Notifications) && !on(b.NotificationsLocalOnly), NotifyTopic: b.NotificationTopic,
		}
		if b.RemotePassword != "" {
			c.Password = func() (string, error) {
				text, err := os.ReadFile(env.Secret(b.RemotePassword))
				if err != nil {
					return "", fmt.Errorf("reading the password of the bridge: %w: put it in the file %s", err, env.Secret(b.RemotePassword))
				}
				return strings.TrimSpace(string(text)), nil
			}
		}
		if b.TLS() {
			c.TLS = &uplink.TLS{CAFile: file(b.CAFile), CertFile: file(b.CertFile), KeyFile: file(b.KeyFile), Insecure: b.Insecure}
		}
		all = append(all, c)
	}
	return all
}

// newUplink puts the bridges together; b is told what they have to say.
func newUplink(env appliance.Env, bridges []appliance.Bridge, b *broker.Broker) (*uplink.Uplink, error) {
	return uplink.New(uplink.Options{
		Connections: connections(env, bridges),
		Dial: func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", env.MQTTSocket())
		},
		User: appliance.BridgeUser, Password: env.Password(appliance.BridgeUser),
		Dir: env.Path("broker"), Tell: b.Tell, Log: env.Log,
	})
}

const (
	lookAtBridges = 2 * time.Second
	// awayLately is how long a bridge may be away before a word is lost about it.
	awayLately = 30 * time.Second
)

// report tells the house of bridges that are away and of a disk that does not take
// what has to be kept, until ctx ends.
func report(ctx context.Context, b *broker.Broker, u *uplink.Uplink) {
	tick := time.NewTicker(lookAtBridges)
	defer tick.Stop()
	var last *health.Report
	for {
		s := b.Stats()
		r := healthOf(u.Stats(), s.Journal.LastError, time.Now())
		if r.Message == "" && s.Users != "" {
			r = usersUnread(s.Users)
		}
		if last == nil || r != *last {
			b.Tell(health.Topic("broker"), r.Payload())
			last = &r
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// usersUnread is what is to be said when somebody has edited the users of MQTT and
// made a mistake.
func usersUnread(why string) health.Report {
	return health.Report{State: health.OK, Message: "the users of MQTT were changed and cannot be read: those before count",
		Hint: "correct the line that the details name, in mqtt/passwd or mqtt/acl", Detail: why}
}

// healthOf is what is to be said of the bridges and the disk. A bridge that is away
// is no failure of ours: what it carries waits.
func healthOf(bridges []uplink.Stats, disk string, now time.Time) health.Report {
	if disk != "" {
		return health.Report{State: health.Failing, Message: "what has to be kept cannot be written to the disk: messages arrive, and are not acknowledged",
			Hint: "make room on it; where there is some, make a backup and take a new memory card", Detail: disk}
	}
	r := health.Report{State: health.OK}
	var away, why []string
	for _, s := range bridges {
		if s.Connected || now.Sub(s.Since) < awayLately {
			continue
		}
		away = append(away, s.Name)
		if s.Trouble != "" {
			why = append(why, s.Name+": "+s.Trouble)
		}
	}
	if len(away) > 0 {
		r.Message = "messages wait for the other side: " + strings.Join(away, ", ") + " cannot be reached"
		r.Detail = strings.Join(why, "; ")
		r.Hint = "look at the network, and at its address and password in hems.yaml"
	}
	return r
}
