package cli

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/smartcore-ireland/hems/internal/update/release"
)

const releaseUsage = `usage: hems keys new [-name NAME] [-signing] DIR
       hems keys certify [-name NAME] -root FILE PUBLICKEY
       hems release [-image FILE] [-keys DIR] [-o FILE] [-version V] [-notes TEXT]

hems keys new makes in DIR what it takes to make releases: a root key, whose
public half (DIR/roots) the image trusts, and a signing key that it certifies.
Keep DIR/root.pem offline. It never replaces a key.

  -name     whose signing key it is (default release)
  -signing  only a signing key: its public half, DIR/signing.pub.pem, goes to
            the owner of a root key to be certified

hems keys certify lets a root key certify the signing key of somebody else, and
writes signing.cert.pem beside its public half, to be given back.

  -root     the root's private key, root.pem
  -name     whose signing key it is (default release)

hems release makes of an image a release for cards that are in use: one signed
file.

  -image    the image (default build/hems.img)
  -keys     the directory with signing.pem and signing.cert.pem (default build/keys)
  -o        the release (default hems-VERSION.hems beside the image)
  -version  its version (default that of the image's programs)
  -notes    what is new, for people
`

// keys makes and certifies the keys of releases.
func (c *command) keys(args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "new":
			return c.keysNew(args[1:])
		case "certify":
			return c.keysCertify(args[1:])
		}
	}
	fmt.Fprint(c.stderr, releaseUsage)
	return errUsage
}

func (c *command) keysNew(args []string) error {
	flags := c.flags("keys new")
	flags.Usage = func() { fmt.Fprint(c.stderr, releaseUsage) }
	name := flags.String("name", "", "")
	signing := flags.Bool("signing", false, "")
	dir, done, err := c.parseOne(flags, args, "the directory")
	if done {
		return err
	}
	if *signing {
		if err := release.NewSigningKey(dir); err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "made a signing key in %s\nnext: give %s to the owner of a root key, for \"hems keys certify\"\n",
			dir, filepath.Join(dir, release.SigningPubFile))
		return nil
	}
	root, err := release.NewKeys(dir, *name)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "made the root key %s and a signing key in %s\nkeep %s offline: who has it can sign for every card that trusts it\n",
		root, dir, filepath.Join(dir, release.RootKeyFile))
	return nil
}

func (c *command) keysCertify(args []string) error {
	flags := c.flags("keys certify")
	flags.Usage = func() { fmt.Fprint(c.stderr, releaseUsage) }
	name := flags.String("name", "", "")
	root := flags.String("root", "", "")
	public, done, err := c.parseOne(flags, args, "the signing key's public half, signing.pub.pem")
	if done {
		return err
	}
	if *root == "" {
		fmt.Fprint(c.stderr, "error: the root key is missing\nhint: -root root.pem\n")
		return errUsage
	}
	cert, file, err := release.Certify(*root, public, *name)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "the root key %s certified the signing key %s as %q: %s\n", cert.Root, cert.Key, cert.Name, file)
	return nil
}

// release makes a signed release of an image.
func (c *command) release(args []string) error {
	flags := c.flags("release")
	flags.Usage = func() { fmt.Fprint(c.stderr, releaseUsage) }
	r := release.Release{Progress: c.progress("release")}
	flags.StringVar(&r.Image, "image", cardImage, "")
	flags.StringVar(&r.Keys, "keys", keysDir, "")
	flags.StringVar(&r.Output, "o", "", "")
	flags.StringVar(&r.Version, "version", "", "")
	flags.StringVar(&r.Notes, "notes", "", "")
	if done, err := c.parse(flags, args); done {
		return err
	}
	made, err := r.Run()
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%s is version %s for %s, %.1f MiB, signed by %q under the root key %s\n",
		made.File, made.Manifest.Version, made.Manifest.Board, float64(made.Size)/(1<<20), made.SignedBy.Name, made.SignedBy.Root)
	return nil
}

// progress shows how far something is, on a terminal only: a line that is
// overwritten, and is gone at the end.
func (c *command) progress(what string) func(done, total int64) {
	if !isTerminal(c.stderr) {
		return nil
	}
	var last time.Time
	return func(done, total int64) {
		switch now := time.Now(); {
		case done == total:
			fmt.Fprint(c.stderr, "\r\x1b[K")
		case now.Sub(last) > 100*time.Millisecond:
			last = now
			fmt.Fprintf(c.stderr, "\r%s: %d of %d MiB", what, done>>20, total>>20)
		}
	}
}
