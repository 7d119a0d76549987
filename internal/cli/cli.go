// Package cli is the hems command: it knows the words a person types and the
// words they get back, and must never know how the appliance does what they
// ask for.
package cli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/appliance/development"
	"github.com/smartcore-ireland/hems/internal/update/refusal"
)

const usage = `usage: hems run [-dongle DEVICE] [-data DIR]
       hems image [-gok PROGRAM] [-o FILE]
       hems flash [-image FILE] [-force] [-yes] [-host-name NAME] [-time-zone ZONE]
                  [-tailnet-key FILE [-tailnet-control URL]] [-claim | -claim-code FILE] DISK
       hems vm [-image FILE] [-data DIR] [-words WORDS]
       hems keys new|certify, hems release
       hems import zigbee2mqtt DIR, hems import zha FILE, hems import mosquitto DIR
       hems mqtt user list|add|remove
       hems status, doctor, ways, tailnet, update, rollback, logs, backup, restore, diagnostics, config,
            history, destination, phone, cloudflare
       hems version

hems run starts the whole appliance on this machine: the real programs beside
this one, on the data directory ./run, with a simulated dongle and home, until
Ctrl-C.

  -dongle   a real stick instead: /dev/ttyACM0, or tcp://host:port
  -data     the data directory (default $HEMS_DATA, then ./run)

hems image builds the SD card's image for the Raspberry Pi from the checkout in
the current directory ("make image" makes first what it needs).

  -gok      the program gok (default build/gok)
  -o        the image (default build/hems.img)

hems flash writes that image to a card and reads all of it back. It refuses a disk
that is in use, and one that is not removable.

  -image        the image, as it is or as gzip (default build/hems.img)
  -force        also a disk that is not removable, or a file
  -yes          without asking once more
  -host-name    what the appliance is called: hems answers as hems.local
  -time-zone    where it is: Europe/Dublin
  -tailnet-key  a file with the key to a tailnet
  -tailnet-control  the headscale that the key is of; Tailscale otherwise
  -claim        print a code that is asked for when the appliance is claimed
  -claim-code   a file with such a code

hems vm boots a copy of that image in QEMU, with a simulated dongle and home,
until Ctrl-C. The next start goes on with the same copy.

  -image    the image (default build/hems.img)
  -data     the directory of the copy (default $HEMS_DATA, then build/vm)
  -words    further words for the kernel's command line

hems import takes the Zigbee network of another program over, with its devices,
names and groups: see "hems import -h"; or what Mosquitto has of users, access and
listeners: see "hems import mosquitto -h".

hems mqtt user tells which devices and programs may use MQTT, and for what: see
"hems mqtt -h".

hems keys and hems release make signed releases for cards in use: see "hems
release -h". hems status and those after it ask an appliance over the network: see
"hems status -h".

HEMS_PORT_BASE=20000 moves the ports (dashboard 20000, MQTT 20004), so that
several can run side by side. HEMS_LISTEN=0.0.0.0 lets other machines in; the
default is this machine alone.
`

// errUsage is a mistake in what was typed; the usage has been shown.
var errUsage = errors.New("usage")

// Main runs the command line args (without the program's name) and returns the
// exit status: 0, 1 for what failed, 2 for what was typed wrong.
func Main(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	c := &command{getenv: getenv, stdin: os.Stdin, stdout: stdout, stderr: stderr}
	return c.finish(c.dispatch(ctx, args))
}

// finish says an error that was not said yet, and returns the exit status.
func (c *command) finish(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return 2
	case errors.Is(err, errSaid):
		return 1
	}
	fmt.Fprintf(c.stderr, "error: %v\n", err)
	if r := refusal.Of(err); r != nil {
		fmt.Fprintf(c.stderr, "hint: %s\n", r.Hint)
	}
	return 1
}

type command struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	every          time.Duration // between two looks at an update; 0: a second
}

func (c *command) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		fmt.Fprint(c.stderr, usage)
		return errUsage
	}
	if _, ok := remoteCommands[args[0]]; ok {
		return c.remote(ctx, args[0], args[1:])
	}
	switch args[0] {
	case "run":
		return c.run(ctx, args[1:])
	case "image":
		return c.image(ctx, args[1:])
	case "flash":
		return c.flash(ctx, args[1:])
	case "vm":
		return c.vm(ctx, args[1:])
	case "mqtt":
		return c.mqtt(ctx, args[1:])
	case "import":
		if len(args) > 1 && args[1] == "mosquitto" {
			return c.importMosquitto(ctx, args[2:])
		}
		return c.importNetwork(ctx, args[1:])
	case "keys":
		return c.keys(args[1:])
	case "release":
		return c.release(args[1:])
	case "version":
		fmt.Fprintln(c.stdout, appliance.Version)
		return nil
	case "help", "-h", "-help", "--help":
		fmt.Fprint(c.stdout, usage)
		return nil
	}
	fmt.Fprintf(c.stderr, "error: %q is no command of hems\nhint: hems help\n", args[0])
	return errUsage
}

func (c *command) run(ctx context.Context, args []string) error {
	flags := c.flags("run")
	dongle := flags.String("dongle", c.getenv("HEMS_DONGLE"), "")
	data := flags.String("data", c.getenv("HEMS_DATA"), "")
	simulator := flags.String("simulator", "", "") // further arguments for the simulator: for tests
	if done, err := c.parse(flags, args); done {
		return err
	}
	env, err := c.environment(*data, "run", *dongle)
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the programs beside this one: %w", err)
	}
	return development.Run(ctx, development.Options{
		Env:           env,
		Bin:           filepath.Dir(exe),
		Stdout:        c.stdout,
		Log:           c.stderr,
		Color:         isTerminal(c.stderr) && c.getenv("NO_COLOR") == "",
		SimulatorArgs: strings.Fields(*simulator),
		Environ:       []string{"PATH=" + c.getenv("PATH"), "HOME=" + c.getenv("HOME"), "TZ=" + c.getenv("TZ")},
	})
}

// flags is an empty set of flags that shows the usage for a mistake.
func (c *command) flags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(c.stderr)
	flags.Usage = func() { fmt.Fprint(c.stderr, usage) }
	return flags
}

// parse reads flags, after which nothing may follow; done says that there is
// nothing more to do than to return err.
func (c *command) parse(flags *flag.FlagSet, args []string) (done bool, err error) {
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return true, nil
	} else if err != nil {
		return true, errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(c.stderr, "error: %q is one word too many\nhint: hems help\n", flags.Arg(0))
		return true, errUsage
	}
	return false, nil
}

// parseOne reads flags and the one word that follows them, which is what; done is
// as for parse.
func (c *command) parseOne(flags *flag.FlagSet, args []string, what string) (word string, done bool, err error) {
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return "", true, nil
	case err != nil:
		return "", true, errUsage
	case flags.NArg() == 0:
		fmt.Fprintf(c.stderr, "error: name %s\nhint: hems help\n", what)
		return "", true, errUsage
	case flags.NArg() > 1:
		fmt.Fprintf(c.stderr, "error: %q is one word too many\nhint: hems help\n", flags.Arg(1))
		return "", true, errUsage
	}
	return flags.Arg(0), false, nil
}

// environment is an appliance on this machine: on the directory data, or
// otherwise the one named, and for this machine alone unless HEMS_LISTEN says
// differently.
func (c *command) environment(data, otherwise, dongle string) (appliance.Env, error) {
	return appliance.EnvFromOS(func(key string) string {
		switch key {
		case "HEMS_DATA":
			return cmp.Or(data, otherwise)
		case "HEMS_DONGLE":
			return dongle
		case "HEMS_LISTEN":
			return cmp.Or(c.getenv(key), "127.0.0.1") // a development appliance is nobody else's
		}
		return c.getenv(key)
	})
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
