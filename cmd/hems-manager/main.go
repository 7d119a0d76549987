// Command hems-manager looks after the whole appliance.
package main

import (
	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/appliance/manager"
)

func main() { appliance.Main("hems-manager", manager.Run) }
