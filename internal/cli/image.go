package cli

import (
	"context"
	"strings"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/appliance/development"
	"github.com/smartcore-ireland/hems/image"
)

// cardImage is where "make image" leaves the image.
const cardImage = "build/hems.img"

// image builds the SD card's image.
func (c *command) image(ctx context.Context, args []string) error {
	flags := c.flags("image")
	b := image.Build{Checkout: ".", Version: appliance.Version, Progress: c.stderr}
	flags.StringVar(&b.Gok, "gok", "build/gok", "")
	flags.StringVar(&b.Output, "o", cardImage, "")
	if done, err := c.parse(flags, args); done {
		return err
	}
	return b.Run(ctx)
}

// vm boots the image in a virtual machine.
func (c *command) vm(ctx context.Context, args []string) error {
	flags := c.flags("vm")
	file := flags.String("image", cardImage, "")
	data := flags.String("data", c.getenv("HEMS_DATA"), "")
	words := flags.String("words", "", "")
	if done, err := c.parse(flags, args); done {
		return err
	}
	env, err := c.environment(*data, "build/vm", "")
	if err != nil {
		return err
	}
	return development.VM(ctx, development.VMOptions{Env: env, Image: *file, Words: strings.Fields(*words), Stdout: c.stdout, Log: c.stderr})
}
