// Command pahogo is one client of paho for Go, told what to do by one JSON object
// a line (see order in driver_test.go): paho.mqtt.golang for MQTT 3.1.1 and
// paho.golang for MQTT 5. It is a module of its own, since the appliance uses
// neither the one nor the other's WebSocket.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

type order struct {
	Op, URL, CA, ID, User, Password, Will, Filter, Topic, Payload, Answer, Of string
	Version, QoS                                                              int
	Clean, Retain                                                             bool
	PatientMS                                                                 int `json:"patient_ms"`
}

type reply struct {
	OK      bool   `json:"ok"`
	Error   string `json:"error,omitempty"`
	Present bool   `json:"present"`
	Granted int    `json:"granted"`
	None    bool   `json:"none"`
	message
}

type message struct {
	Topic   string `json:"topic"`
	Payload string `json:"payload"`
	QoS     int    `json:"qos"`
	Retain  bool   `json:"retain"`
	Answer  string `json:"answer"`
	Of      string `json:"of"`
}

// client is one of the two libraries.
type client interface {
	connect(o order) (present bool, err error)
	subscribe(o order) (granted int, err error)
	publish(o order) error
	disconnect() error
}

const patience = 20 * time.Second

var errLate = errors.New("no answer in time")

func main() {
	messages := make(chan message, 1000)
	var c client
	lines := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var o order
		var r reply
		err := json.Unmarshal(lines.Bytes(), &o)
		if err == nil {
			switch o.Op {
			case "connect":
				c = &old{messages: messages}
				if o.Version == 5 {
					c = &five{messages: messages}
				}
				r.Present, err = c.connect(o)
			case "subscribe":
				r.Granted, err = c.subscribe(o)
			case "publish":
				err = c.publish(o)
			case "disconnect":
				err = c.disconnect()
			case "next":
				select {
				case r.message = <-messages:
				case <-time.After(time.Duration(o.PatientMS) * time.Millisecond):
					r.None = true
				}
			default:
				err = fmt.Errorf("unknown order %q", o.Op)
			}
		}
		if r.OK = err == nil; err != nil {
			r.Error = err.Error()
		}
		out.Encode(r)
	}
}

// trust is the TLS configuration that trusts the certificate in a file.
func trust(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return &tls.Config{RootCAs: pool}, nil
}
