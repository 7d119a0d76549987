// Command hems-gateway is the dashboard of the appliance.
package main

import (
	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/appliance/gateway"
)

func main() { appliance.Main("hems-gateway", gateway.Run, gateway.Prepare) }
