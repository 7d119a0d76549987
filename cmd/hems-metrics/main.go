// Command hems-metrics keeps every reading and sends it on.
package main

import (
	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/appliance/metrics"
)

func main() { appliance.Main("hems-metrics", metrics.Run) }
