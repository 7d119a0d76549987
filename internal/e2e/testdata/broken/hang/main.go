// Command hang takes the place of PID 1 in a broken image: it opens the watchdog
// and then does nothing for ever, as a system that hangs in its first second.
package main

import (
	"fmt"
	"os"
	"time"
)

var watchdog *os.File // kept: a collected file is a closed one

func main() {
	var err error
	for watchdog == nil {
		if watchdog, err = os.OpenFile("/dev/watchdog", os.O_WRONLY, 0); err != nil {
			fmt.Println("no watchdog:", err)
		}
		time.Sleep(time.Second)
	}
	for {
		time.Sleep(time.Hour)
	}
}
