package development

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/image"
	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/gateway/signin"
	"github.com/smartcore-ireland/hems/internal/simulator"
)

// VMOptions is which image to boot and where.
type VMOptions struct {
	// Env has the directory of the machine's disk, passwords and simulated home,
	// and this host's addresses for the machine's ports.
	Env appliance.Env
	// Image is the card's image; the machine runs on a copy.
	Image string
	// Words are added to the kernel's command line at each boot.
	Words []string
	// Stdout takes what is for the person, Log what the simulator says.
	Stdout, Log io.Writer
}

// The ports inside the machine: the appliance's own defaults.
var guest = appliance.Env{Card: true}

// cardSize is the size of the machine's card in bytes: a small one, and larger
// than the image, as every card is.
const cardSize = 4 << 30

// VM boots the image in a virtual machine with a simulated dongle and home, and
// returns when ctx has ended and all of it is down, or with an error when the
// machine could not start or ended by itself. The copy of the image is made when
// there is none or the image is newer; its owner and its MQTT password for the
// person are put into the copy alone.
func VM(ctx context.Context, o VMOptions) error {
	d := &run{Options: Options{Env: o.Env, Stdout: o.Stdout, Log: o.Log}, began: time.Now(), log: slog.New(slog.NewTextHandler(o.Log, nil))}
	if err := os.MkdirAll(o.Env.Path("simulator"), 0o700); err != nil {
		return fmt.Errorf("making the machine's directory: %w", err)
	}
	unlock, err := lock(o.Env)
	if err != nil {
		return err
	}
	defer unlock()
	disk := o.Env.Path("card.img")
	id, err := identity(o.Image)
	if err != nil {
		return err
	}
	if of, err := os.ReadFile(disk + ".of"); err != nil || string(of) != id { // none yet, or another image's
		if err := d.newCard(ctx, o.Image, disk); err != nil {
			return err
		}
		if err := atomicfile.Write(disk+".of", []byte(id), 0o600); err != nil {
			return err
		}
	}
	known, err := readEnv(o.Env.Path(envFile))
	if err != nil {
		return err
	}
	d.person = d.owner(known["HEMS_PASSWORD"])
	// The addresses may be others than last time.
	if err := d.writeEnvFor(known["MQTT_PASSWORD"]); err != nil {
		return err
	}

	// The simulated home outlives the machine, as a real one does.
	home, leave := context.WithCancel(context.WithoutCancel(ctx))
	s, err := simulator.Start(home, simulator.Options{
		Listen:  "127.0.0.1:0",
		State:   o.Env.Path("simulator", "state.json"),
		Control: o.Env.Path("simulator", "control.sock"),
		Seed:    1,
		Log:     d.log,
	})
	if err != nil {
		leave()
		return err
	}
	defer func() {
		leave()
		if err := s.Wait(); err != nil {
			d.log.Error("the simulated home", "err", err)
		}
	}()

	journal, err := os.OpenFile(o.Env.Path("programs.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the programs' log: %w", err)
	}
	defer journal.Close()
	stop, err := d.collectLog(journal)
	if err != nil {
		return err
	}
	defer stop()
	silence, err := d.giveTime()
	if err != nil {
		return err
	}
	defer silence()

	ctx, cancel := context.WithCancel(ctx)
	guide := make(chan struct{})
	go func() {
		defer close(guide)
		if d.awaitDashboard(ctx) == nil {
			d.greet()
			fmt.Fprintf(d.Stdout, "  Pair        the simulated meter joins when you open %s/pair and begin\n\n", d.person.URL)
		}
	}()
	defer func() { cancel(); <-guide }()
	happened, err := os.OpenFile(o.Env.Path("board.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the board's log: %w", err)
	}
	defer happened.Close()
	console := o.Env.Path("console.log")
	fmt.Fprintf(o.Stdout, "booting, which takes from ten seconds to a minute; console: %s, programs: %s\n", relative(console), relative(journal.Name()))
	forward := []image.Forward{
		{Host: d.address(appliance.PortDashboard), Guest: guest.Number(appliance.PortDashboard)},
		{Host: d.address(appliance.PortMQTT), Guest: guest.Number(appliance.PortMQTT)},
		{Host: d.address(appliance.PortUpdate), Guest: guest.Number(appliance.PortUpdate)},
	}
	for _, p := range []appliance.Port{appliance.PortDashboardTLS, appliance.PortMQTTTLS, appliance.PortMQTTWebSocket} {
		l, err := net.Listen("tcp", d.address(p))
		if err != nil { // no reason not to boot
			fmt.Fprintf(o.Stdout, "note: %s is in use here: without it\n", d.address(p))
			continue
		}
		l.Close()
		forward = append(forward, image.Forward{Host: d.address(p), Guest: guest.Number(p)})
	}
	return (&image.VM{
		Disk:    disk,
		Console: console,
		Dongle:  s.Addr().String(),
		Forward: forward,
		Words:   o.Words,
		Events: func(e image.Event) {
			fmt.Fprintf(happened, "%s %s\n", e.At.UTC().Format(time.RFC3339Nano), e)
			fmt.Fprintf(o.Stdout, "the board %s\n", e)
		},
	}).Run(ctx)
}

// identity tells one build of an image from another.
func identity(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", fmt.Errorf("finding the image: %w: build it with \"make image\"", err)
	}
	return fmt.Sprintf("%d bytes of %s\n", info.Size(), info.ModTime().UTC().Format(time.RFC3339Nano)), nil
}

// newCard copies the image and puts the person's passwords into the copy. With
// the old card goes the old home: its meter knows a network that is no more.
func (d *run) newCard(ctx context.Context, from, disk string) error {
	perm := d.Env.Path("perm")
	for _, old := range []string{perm, disk, disk + ".of", d.Env.Path(envFile), d.Env.Path("simulator", "state.json")} {
		if err := os.RemoveAll(old); err != nil {
			return fmt.Errorf("removing what is left of the last machine: %w", err)
		}
	}
	defer os.RemoveAll(perm)
	secrets := filepath.Join(perm, "hems", "secrets")
	if err := broker.EnsureCredentials(secrets, appliance.PersonUser); err != nil {
		return err
	}
	mqtt, err := broker.ReadPassword(secrets, appliance.PersonUser)
	if err != nil {
		return err
	}
	password, err := randomPassword()
	if err != nil {
		return err
	}
	d.person = d.owner(password)
	if err := signin.WriteSeed(filepath.Join(perm, "hems", "gateway"), d.person.User, password); err != nil {
		return err
	}
	if err := d.seedLog(perm); err != nil {
		return err
	}
	if err := d.seedTime(perm); err != nil {
		return err
	}
	if err := d.writeEnvFor(mqtt); err != nil {
		return err
	}
	return image.NewDisk(ctx, from, disk, cardSize, func(part string) error { return image.Seed(ctx, part, perm) })
}

// address is where this host answers for one of the machine's ports.
func (d *run) address(p appliance.Port) string {
	return net.JoinHostPort(d.Env.Listen, strconv.Itoa(d.Env.Number(p)))
}
