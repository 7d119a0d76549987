// Command hems-broker is the MQTT broker of the appliance.
package main

import (
	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/appliance/broker"
)

func main() { appliance.Main("hems-broker", broker.Run, broker.Prepare) }
