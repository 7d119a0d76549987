package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/appliance/development"
	"github.com/smartcore-ireland/hems/image"
	"github.com/smartcore-ireland/hems/internal/update/release"
)

// cardImage is where "make image" leaves the image.
const cardImage = "build/hems.img"

// keysDir is where "make keys" leaves the keys of this checkout, and trustedDir
// where config.json lets gok find the root keys that an image trusts.
const (
	keysDir    = "build/keys"
	trustedDir = "build/roots"
)

// image builds the SD card's image.
func (c *command) image(ctx context.Context, args []string) error {
	flags := c.flags("image")
	b := image.Build{Checkout: ".", Version: appliance.Version, Progress: c.stderr}
	flags.StringVar(&b.Gok, "gok", "build/gok", "")
	flags.StringVar(&b.Output, "o", cardImage, "")
	flags.BoolVar(&b.Pin, "pin", false, "") // for "make pins"
	keys := flags.String("keys", keysDir, "")
	if done, err := c.parse(flags, args); done {
		return err
	}
	roots, err := release.CollectRoots(trustedDir, "image/roots", filepath.Join(*keys, release.RootsDir))
	if err != nil {
		return err
	}
	for _, root := range roots {
		fmt.Fprintf(c.stderr, "image: it takes releases signed under the root key %s\n", root)
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
