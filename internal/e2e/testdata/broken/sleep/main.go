// Command sleep takes the place of a program in a broken image: it lives and
// does nothing, so that whatever it stands for never becomes healthy.
package main

import "time"

func main() {
	for {
		time.Sleep(time.Hour)
	}
}
