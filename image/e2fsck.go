package image

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// e2fsckPin is the e2fsck of the card: Debian's static build, by its version and
// what its files must be.
//
//go:embed e2fsck.json
var e2fsckPin []byte

// A pin is a package of Debian's and what is taken of it.
type pin struct {
	Package, Version, Architecture string
	Files                          map[string]pinned // by the name they get
}

type pinned struct {
	From   string // path in the package
	SHA256 string // of the file
}

// bringE2fsck leaves the files of e2fsck.json in a directory, from where
// config.json takes them onto the card. They are brought from the sources of
// Debian packages that this machine uses, signatures checked, without touching
// what apt keeps or what is installed; and not at all when they are there.
func bringE2fsck(ctx context.Context, dir string) error {
	var p pin
	err := json.Unmarshal(e2fsckPin, &p)
	if err == nil {
		err = p.bring(ctx, dir)
	}
	if err != nil {
		return fmt.Errorf("bringing e2fsck for the card: %w", err)
	}
	return nil
}

func (p pin) bring(ctx context.Context, dir string) error {
	if p.check(dir) == nil {
		return nil
	}
	tmp, err := os.MkdirTemp("", "hems-e2fsck")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	deb, err := p.download(ctx, tmp)
	if err != nil {
		return err
	}
	tree := filepath.Join(tmp, "tree")
	if _, err := output(ctx, "dpkg-deb", "-x", deb, tree); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, f := range p.Files {
		b, err := os.ReadFile(filepath.Join(tree, f.From))
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if strings.Contains("/"+f.From, "/sbin/") {
			mode = 0o755
		}
		to := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(to, b, mode), os.Chmod(to, mode)); err != nil {
			return err
		}
	}
	return p.check(dir)
}

// check is nil when the files are there and are what they must be.
func (p pin) check(dir string) error {
	for name, f := range p.Files {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != f.SHA256 {
			return fmt.Errorf("%s of %s %s is not the file it was when it was chosen, its SHA-256 is %x: "+
				"find out why before changing image/e2fsck.json", f.From, p.Package, p.Version, sum)
		}
	}
	return nil
}

// download brings the package with apt, whose state is below dir. What fails for
// another source of this machine's than Debian's does not matter.
func (p pin) download(ctx context.Context, dir string) (deb string, err error) {
	apt := []string{
		"-q", "-o", "Dir::State=" + filepath.Join(dir, "state"), "-o", "Dir::Cache=" + filepath.Join(dir, "cache"),
		"-o", "Dir::State::status=/dev/null", "-o", "APT::Architecture=" + p.Architecture, "-o", "APT::Architectures=" + p.Architecture,
		"-o", "Acquire::Languages=none", "-o", "Acquire::Retries=2", "-o", "APT::Sandbox::User=",
	}
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial", "deb"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return "", err
		}
	}
	get, err := tool("apt-get")
	if err != nil {
		return "", err
	}
	run := func(args ...string) error {
		cmd := exec.CommandContext(ctx, get, append(apt, args...)...)
		cmd.Dir = filepath.Join(dir, "deb")
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, lastLines(string(out), 6))
		}
		return nil
	}
	update := run("update")
	if err := run("download", p.Package+"="+p.Version); err != nil {
		return "", errors.Join(
			fmt.Errorf("%s %s for %s cannot be had from this machine's package sources (it is in Debian 12): "+
				"if Debian has a newer one, put its version and the SHA-256 of its files into image/e2fsck.json", p.Package, p.Version, p.Architecture),
			err, update)
	}
	found, err := filepath.Glob(filepath.Join(dir, "deb", "*.deb"))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("apt-get brought %d packages", len(found))
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}

func lastLines(text string, n int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}
