// Command init stands in for gokrazy's: it mounts /run as that does, starts
// nothing, and gives one sign of life in the manager's place.
package main

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/smartcore-ireland/hems/internal/boot/keeper"
	"github.com/smartcore-ireland/hems/internal/boot/report"
)

func main() {
	if err := syscall.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		fmt.Println("init:", err)
	}
	for keeper.Tell(report.Runtime, keeper.Alive) != nil {
		time.Sleep(100 * time.Millisecond)
	}
	b, err := os.ReadFile(report.Runtime + "/" + report.Name)
	fmt.Printf("init: boot.json: %s %v\n", b, err)
	select {
	case <-time.After(time.Hour):
	}
}
