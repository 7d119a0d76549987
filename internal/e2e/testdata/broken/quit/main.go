// Command quit takes the place of a program in a broken image: it ends at once,
// which as PID 1 is a kernel panic and as a process a crash loop.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Println("this image is broken on purpose: I end at once")
	os.Exit(1)
}
