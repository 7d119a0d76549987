// Command hems is the appliance's command line, for people at a workstation.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/smartcore-ireland/hems/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Main(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}
