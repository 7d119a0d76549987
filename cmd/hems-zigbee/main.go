// Command hems-zigbee is the Zigbee coordinator of the appliance.
package main

import (
	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/appliance/zigbee"
)

func main() { appliance.Main("hems-zigbee", zigbee.Run) }
