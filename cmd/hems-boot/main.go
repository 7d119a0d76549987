// Command hems-boot is the first process of the appliance on a card: the kernel
// starts it as init, and it becomes gokrazy's.
package main

import "github.com/smartcore-ireland/hems/internal/boot"

func main() { boot.Main() }
