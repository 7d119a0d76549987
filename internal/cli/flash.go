package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/image"
	"github.com/smartcore-ireland/hems/image/flash"
	"github.com/smartcore-ireland/hems/internal/seed"
)

// errNotConfirmed is what the person says who is asked once more.
var errNotConfirmed = errors.New("nothing was written: it was not confirmed with yes (-yes does without asking)")

// flash writes the image to a card.
func (c *command) flash(ctx context.Context, args []string) error {
	flags := c.flags("flash")
	o := flash.Options{Progress: flash.Lines(c.stderr)}
	if isTerminal(c.stderr) {
		o.Progress = flash.Bar(c.stderr)
	}
	flags.StringVar(&o.Image, "image", cardImage, "")
	flags.BoolVar(&o.Force, "force", false, "")
	yes := flags.Bool("yes", false, "")
	var s seed.Seed
	flags.StringVar(&s.HostName, "host-name", "", "")
	flags.StringVar(&s.TimeZone, "time-zone", "", "")
	tailnet := flags.String("tailnet-key", "", "")
	flags.StringVar(&s.TailnetControlURL, "tailnet-control", "", "")
	code := flags.String("claim-code", "", "")
	claim := flags.Bool("claim", false, "")
	disk, done, err := c.parseOne(flags, args, "the disk: hems flash /dev/sdX")
	if done {
		return err
	}
	o.Disk = disk
	if s.TailnetAuthKey, err = c.secret("the tailnet's key", *tailnet); err != nil {
		return err
	}
	if s.ClaimCode, err = c.secret("the claim code", *code); err != nil {
		return err
	}
	switch {
	case *claim && *code != "":
		return errors.New("-claim makes a code and -claim-code brings one: give one of them")
	case *claim:
		s.ClaimCode = claimCode()
	}
	if err := checkSeed(s); err != nil {
		return err
	}
	if !*yes {
		o.Confirm = c.confirm
	}
	if s != (seed.Seed{}) {
		o.Seed = func(ctx context.Context, disk string, drop func() error) error { return writeSeed(ctx, s, disk, drop) }
	}
	if err := flash.Run(ctx, o); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%s has the image and holds what was written. Take it out, and put it into the Raspberry Pi.\n", o.Disk)
	switch {
	case *claim:
		fmt.Fprintf(c.stdout, "claim code: %s (asked for at the first visit)\n", s.ClaimCode)
	case s.ClaimCode == "":
		fmt.Fprintln(c.stdout, "The first visitor from its own network within an hour of power-up becomes its owner.")
	}
	return nil
}

// confirm asks the person, with the disk's name.
func (c *command) confirm(d flash.Disk, i flash.Image) error {
	fmt.Fprintf(c.stderr, "Everything on %s will be overwritten with %s (%s).\nType yes to go on: ", d, i.File, flash.Size(i.Bytes))
	line, err := bufio.NewReader(io.LimitReader(c.stdin, 1000)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if strings.TrimSpace(line) != "yes" {
		return errNotConfirmed
	}
	return nil
}

// maxSecret is more than any key or code has, in bytes.
const maxSecret = 1000

// secret reads a secret from a file, so that it is in no list of processes nor in
// a shell's history; "" is none.
func (c *command) secret(what, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w: give the name of a file that holds it", what, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	text := strings.TrimSpace(string(b))
	switch {
	case err != nil:
		return "", fmt.Errorf("reading %s: %w", what, err)
	case len(b) > maxSecret:
		return "", fmt.Errorf("reading %s: %s has more than %d bytes: is it the right file?", what, file, maxSecret)
	case text == "" || strings.ContainsAny(text, "\r\n"):
		return "", fmt.Errorf("reading %s: %s must hold it in one line", what, file)
	}
	return text, nil
}

// codeLetters are those of a claim code: what can be told apart on paper and on a
// phone.
const codeLetters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

// claimCode makes a code of 50 random bits.
func claimCode() string {
	b := make([]byte, 10)
	_, _ = rand.Read(b) // it never fails (crypto/rand)
	for i := range b {
		b[i] = codeLetters[b[i]%byte(len(codeLetters))]
	}
	return string(b[:5]) + "-" + string(b[5:])
}

// checkSeed says what is wrong with what the person wants on the card: in the
// words of the flags where it can, and by the appliance's own rules, for one that
// the appliance refuses would leave a card that anybody may claim.
func checkSeed(s seed.Seed) error {
	if s.HostName != "" {
		if err := (appliance.Home{HostName: s.HostName}).Check(); err != nil {
			return fmt.Errorf("-host-name: %w", err)
		}
	}
	if s.TimeZone != "" {
		if _, err := time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "Local" {
			return fmt.Errorf("-time-zone: %q is no time zone: give one such as Europe/Dublin", s.TimeZone)
		}
	}
	return s.Check()
}

// writeSeed puts the seed on a card.
func writeSeed(ctx context.Context, s seed.Seed, disk string, drop func() error) error {
	dir, err := os.MkdirTemp("", "hems-seed")
	if err != nil {
		return fmt.Errorf("seeding the card: %w", err)
	}
	defer os.RemoveAll(dir)
	text, err := json.Marshal(s)
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "hems"), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "hems", seed.File), append(text, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("seeding the card: %w", err)
	}
	if err := image.Seed(ctx, disk, dir); err != nil {
		return err
	}
	if err := drop(); err != nil {
		return fmt.Errorf("seeding the card: %w", err)
	}
	return image.Seeded(ctx, disk, dir) // again, from the card itself
}
