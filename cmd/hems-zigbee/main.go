// Command hems-zigbee is the Zigbee coordinator of the appliance.
package main

import (
	"runtime"
	"runtime/debug"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/appliance/zigbee"
)

func main() {
	// A report passes several goroutines, a few microseconds in each. On more
	// than one processor each of them would wake a thread, which takes longer
	// than its work.
	runtime.GOMAXPROCS(1)
	// With 50 devices: 2 MB less resident, of 21, for little, as there is little
	// to collect.
	debug.SetGCPercent(50)
	appliance.Main("hems-zigbee", zigbee.Run)
}
