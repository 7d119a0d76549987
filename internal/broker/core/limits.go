package core

import (
	"time"

	"github.com/smartcore-ireland/hems/internal/broker/door"
)

// Limits of what clients may cost. The names are those of Mosquitto's options;
// the zero value of each means its default.
type Limits struct {
	Door door.Limits

	MaxConnections        int           // at once. Default 2000
	MaxConnectionsPerAddr int           // of one address that is not this machine. Default 256
	MaxFailedSignIns      int           // of one address in a minute; then it is turned away. Default 60
	MaxInflightMessages   int           // on their way to a client that does not say. Default 100
	ReceiveMaximum        int           // on their way from a client. Default 1024
	MaxQueuedMessages     int           // that wait for one client. Default 20,480
	MaxQueuedBytes        int64         // the same in bytes. Default 16 MiB
	MaxQueuedBytesAll     int64         // for all clients together. Default 96 MiB
	MaxKeepAlive          time.Duration // told to MQTT 5 clients that ask for more. Default 60 s
	MaxSessionExpiry      time.Duration // of a client that is away. Default 7 days
	MaxSubscriptions      int           // of one client. Default 6000
	MaxAwaySessions       int           // kept for one user's clients that are away. Default 100
	MaxTopicAlias         int           // of one client. Default 64
	MaxRetained           int           // messages. Default 20,000
	MaxRetainedBytes      int64         // of topics and payloads. Default 64 MiB
	RetainedEvery         time.Duration // that a retained message of QoS 0 may wait for the disk. Default 55 s
	SignInDelay           time.Duration // before wrong credentials are answered, and up to as much again. Default 250 ms
}

// fairQueue is what may wait for a client, however much waits for others.
const fairQueue = 256 << 10

func (l Limits) withDefaults() Limits {
	l.Door = l.Door.WithDefaults()
	def(&l.MaxConnections, 2000)
	def(&l.MaxConnectionsPerAddr, 256)
	def(&l.MaxFailedSignIns, 60)
	def(&l.MaxInflightMessages, 100)
	def(&l.ReceiveMaximum, 1024)
	def(&l.MaxQueuedMessages, 20480)
	l.MaxQueuedMessages = min(l.MaxQueuedMessages, maxSlots/2)
	def(&l.MaxQueuedBytes, 16<<20)
	def(&l.MaxQueuedBytesAll, 96<<20)
	def(&l.MaxKeepAlive, time.Minute)
	def(&l.MaxSessionExpiry, 7*24*time.Hour)
	def(&l.MaxSubscriptions, 6000)
	def(&l.MaxAwaySessions, 100)
	def(&l.MaxTopicAlias, 64)
	def(&l.MaxRetained, 20000)
	def(&l.MaxRetainedBytes, 64<<20)
	def(&l.RetainedEvery, 55*time.Second)
	def(&l.SignInDelay, 250*time.Millisecond)
	return l
}

func def[T int | int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}
