package image

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// cardSize is the size of the image in bytes: what any card of 2 GB or more
// takes. /perm gets the rest of it, 224 MiB, and the rest of the card when it is
// first booted.
const cardSize = 1328 << 20

// Build is what an image is made of.
type Build struct {
	Checkout string // the repository: config.json and builddir, with the dashboard bundled
	Gok      string // the program gok
	Output   string // the image; replaced only by a whole one
	Version  string // what the programs say they are
	Progress io.Writer
	// Pin only: what a change to this module's dependencies adds to builddir's
	// go.sum is written there; no image is built.
	Pin bool
}

// instance is what is read of config.json. The rest is gok's.
type instance struct {
	Packages        []string
	GokrazyPackages []string
	Environment     []string
}

// Run builds the image. What gok prints is in Output with ".log" added.
func (b Build) Run(ctx context.Context) error {
	began := time.Now()
	checkout, err := filepath.Abs(b.Checkout)
	if err != nil {
		return fmt.Errorf("finding the checkout: %w", err)
	}
	var config instance
	text, err := os.ReadFile(filepath.Join(checkout, "config.json"))
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	if err != nil {
		return fmt.Errorf("reading the gokrazy instance: %w", err)
	}
	gok, err := filepath.Abs(b.Gok)
	if err != nil {
		return fmt.Errorf("finding gok: %w", err)
	}
	out, err := filepath.Abs(b.Output)
	if err != nil {
		return fmt.Errorf("naming the image: %w", err)
	}
	parent, err := os.MkdirTemp("", "hems-image")
	if err != nil {
		return fmt.Errorf("building the image: %w", err)
	}
	defer os.RemoveAll(parent)
	env, err := b.environ(ctx, parent, config)
	if err != nil {
		return err
	}

	if err := b.compile(ctx, checkout, env, config); err != nil || b.Pin {
		return err
	}
	if err := bringE2fsck(ctx, filepath.Join(checkout, "build", "e2fsck")); err != nil {
		return err
	}
	if err := buildCloudflared(ctx, checkout, filepath.Join(checkout, "build", "cloudflared"), env, b.Progress); err != nil {
		return err
	}
	pins, err := readPins(checkout)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.Progress, "image: packing the card (gok's words: %s.log)\n", b.Output)
	part := out + ".part"
	defer os.Remove(part) // gone already when all went well
	if err := pack(ctx, gok, parent, checkout, part, out+".log", env); err != nil {
		return err
	}
	fmt.Fprintln(b.Progress, "image: making the slots")
	if err := makeSlots(ctx, part, b.Version); err != nil {
		return err
	}
	fmt.Fprintln(b.Progress, "image: making /perm")
	if err := makePerm(ctx, part); err != nil {
		return err
	}
	now, err := readPins(checkout)
	if err != nil {
		return err
	}
	if now != pins {
		return errors.New("the build changed builddir/go.mod or go.sum: something was not pinned: look at the change, commit it, and build again")
	}
	if err := os.Rename(part, out); err != nil {
		return fmt.Errorf("finishing the image: %w", err)
	}
	packed, err := packedSize(ctx, out)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.Progress, "image: %s is ready after %.0f s: %.0f MB on the card, %.0f MB packed (gzip -1)\n",
		b.Output, time.Since(began).Seconds(), cardSize/1e6, float64(packed)/1e6)
	return nil
}

// packedSize is how long an image is that is sent somewhere, in bytes.
func packedSize(ctx context.Context, file string) (int64, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, fmt.Errorf("measuring the image: %w", err)
	}
	defer f.Close()
	var n counter
	z, err := gzip.NewWriterLevel(&n, gzip.BestSpeed)
	if err == nil {
		_, err = io.Copy(z, &while{ctx, f})
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return 0, fmt.Errorf("measuring the image: %w", err)
	}
	return int64(n), nil
}

type counter int64

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }

// while reads as long as a context lasts.
type while struct {
	ctx context.Context
	r   io.Reader
}

func (w *while) Read(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.r.Read(b)
}

// environ is what the Go tool and gok run with: config.json's variables, flags
// that keep the checkout's path out of the programs, and nothing of the person's
// own gokrazy settings, among which there may be a password.
func (b Build) environ(ctx context.Context, home string, config instance) ([]string, error) {
	goenv, err := exec.CommandContext(ctx, "go", "env", "GOENV").Output()
	if err != nil {
		return nil, fmt.Errorf("asking Go for its settings: %w", err)
	}
	flags := fmt.Sprintf("-trimpath -buildvcs=false '-ldflags=-s -w -X github.com/smartcore-ireland/hems/appliance.Version=%s'", b.Version)
	if b.Pin {
		flags += " -mod=mod"
	}
	if strings.ContainsAny(b.Version, " '\"") {
		return nil, fmt.Errorf("the version %q has blanks or quotes", b.Version)
	}
	env := slices.Concat(os.Environ(), config.Environment)
	return append(env, "GOFLAGS="+flags, "GOWORK=off", "GOENV="+strings.TrimSpace(string(goenv)), "XDG_CONFIG_HOME="+home), nil
}

// compile fills Go's cache with everything gok is going to link, because gok
// itself shows nothing while it compiles.
func (b Build) compile(ctx context.Context, checkout string, env []string, config instance) error {
	args := []string{"image", "go", "build", "-C", filepath.Join(checkout, "builddir"), "-v",
		"-tags", "gokrazy,netgo,osusergo", "-o", os.DevNull, "github.com/gokrazy/gokrazy"}
	args = slices.Concat(args, config.Packages, config.GokrazyPackages)
	cmd := exec.CommandContext(ctx, filepath.Join(checkout, ".ci", "progress"), args...)
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = b.Progress, b.Progress
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("compiling for the Raspberry Pi: %w (if it lacks entries of builddir/go.sum: \"make pins\", and commit builddir)", err)
	}
	return nil
}

// pack lets gok write the partitions. gok finds an instance by its directory's
// name in a parent directory, so the checkout, whatever it is called, gets the
// name "hems" in a temporary one.
func pack(ctx context.Context, gok, parent, checkout, out, logFile string, env []string) error {
	if err := os.Symlink(checkout, filepath.Join(parent, "hems")); err != nil {
		return fmt.Errorf("naming the instance: %w", err)
	}
	log, err := os.Create(logFile)
	if err != nil {
		return fmt.Errorf("building the image: %w", err)
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, gok, "--parent_dir", parent, "-i", "hems",
		"overwrite", "--full", out, "--target_storage_bytes", fmt.Sprint(cardSize))
	cmd.Dir = parent
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("packing the card: gok: %w\n%s", err, tail(logFile, 12))
	}
	return nil
}

// readPins is what pins the versions.
func readPins(checkout string) (string, error) {
	var all []byte
	for _, name := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(filepath.Join(checkout, "builddir", name))
		if err != nil {
			return "", fmt.Errorf("reading the pinned versions: %w", err)
		}
		all = append(all, b...)
	}
	return string(all), nil
}

// tail is the end of a text file, as far as it can be read.
func tail(file string, lines int) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
