package broker

import (
	"crypto/tls"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/broker/core"
	"github.com/smartcore-ireland/hems/internal/broker/door"
	"github.com/smartcore-ireland/hems/internal/broker/listen"
	"github.com/smartcore-ireland/hems/internal/pki"
)

// listeners are where clients connect: those of hems.yaml, or MQTT as it is, with
// TLS, and over WebSocket.
func listeners(env appliance.Env, cfg appliance.MQTT) []broker.Listener {
	if len(cfg.Listeners) > 0 {
		var all []broker.Listener
		for _, l := range cfg.Listeners {
			all = append(all, listener(env, l, cfg.MaxConnectionsPerAddress))
		}
		return all
	}
	at := func(address string) broker.Listener {
		return broker.Listener{Options: listen.Options{Network: "tcp", Address: address, MaxPerAddress: cfg.MaxConnectionsPerAddress}}
	}
	plain, secure, web := at(cfg.Listen), at(env.Address(appliance.PortMQTTTLS)), at(env.Address(appliance.PortMQTTWebSocket))
	if cfg.Listen == "" {
		plain.Address = env.Address(appliance.PortMQTT)
	}
	secure.TLS = &listen.TLS{GetCertificate: ownCertificates(env), Trust: ownTrust(env)}
	secure.UseIdentityAsUsername = true
	web.WebSocket = &listen.WebSocket{}
	return []broker.Listener{plain, secure, web}
}

// listener is one of hems.yaml.
func listener(env appliance.Env, l appliance.MQTTListener, perAddress int) broker.Listener {
	b := broker.Listener{
		Options:               listen.Options{Network: "tcp", Address: l.Address(), MaxConnections: l.MaxConnections, MaxPerAddress: perAddress},
		AllowAnonymous:        l.AllowAnonymous,
		UseIdentityAsUsername: l.IdentityIsUser,
		QueueQoS0Messages:     l.QueueQoS0Messages,
	}
	if l.Protocol == "websockets" {
		b.WebSocket = &listen.WebSocket{Origins: l.WebSocketOrigins}
	}
	if !l.Secure() {
		return b
	}
	b.TLS = &listen.TLS{GetCertificate: ownCertificates(env), RequireCertificate: l.RequireCert}
	if l.CertFile != "" {
		pair := &pairFiles{cert: l.CertFile.In(env), key: l.KeyFile.In(env)}
		if _, err := pair.get(nil); err != nil {
			env.Log.Error("a listener of hems.yaml has no certificate yet", "port", l.Port, "err", err)
		}
		b.TLS.GetCertificate = pair.get
	}
	switch {
	case l.CAFile != "":
		b.TLS.Trust = listen.NewTrust(l.CAFile.In(env), l.CRLFile.In(env), false)
	case l.RequireCert || l.IdentityIsUser:
		b.TLS.Trust = ownTrust(env)
	}
	return b
}

func ownCertificates(env appliance.Env) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return pki.NewCertificates(pki.HolderDir(env.Path("pki"), "broker")).GetCertificate
}

// ownTrust: there is no list of revoked certificates before the first is revoked.
func ownTrust(env appliance.Env) *listen.Trust {
	return listen.NewTrust(env.Path("pki", pki.CAFile), env.Path("pki", pki.RevokedFile), true)
}

// limits are those of hems.yaml.
func limits(cfg appliance.MQTT) (core.Limits, door.Limits) {
	all := 0 // that the listeners take together, where they say so
	for _, l := range cfg.Listeners {
		all += l.MaxConnections
	}
	return core.Limits{
		MaxConnections:        max(all, listen.DefaultMaxConnections),
		MaxConnectionsPerAddr: cfg.MaxConnectionsPerAddress,
		MaxFailedSignIns:      cfg.MaxFailedSignIns,
		MaxInflightMessages:   cfg.MaxInflightMessages,
		MaxQueuedMessages:     cfg.MaxQueuedMessages,
		MaxQueuedBytes:        int64(cfg.MaxQueuedBytes),
		MaxKeepAlive:          time.Duration(cfg.MaxKeepAlive) * time.Second,
		MaxSessionExpiry:      time.Duration(cfg.PersistentClientExpiration),
	}, door.Limits{PacketSize: cfg.MaxPacketSize}
}

// flushWait is negative where nothing is to wait.
func flushWait(cfg appliance.MQTT) time.Duration {
	if cfg.MaxFlushWait == 0 {
		return -1
	}
	return time.Duration(cfg.MaxFlushWait) * time.Millisecond
}
