//go:build vm

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
)

// TestGokUpdates lets gokrazy's own tool update a card in a virtual machine over
// the update port: refused unless the developer setting is on, and then a trial
// like any other update, of which gok itself sees the success.
func TestGokUpdates(t *testing.T) {
	card := cardImage(t)
	dir, base := tempDir(t), portBase(t)
	u := boot(t, card, dir, base, "-words", trial)
	d := u.appliance()
	d.settled()
	password, err := d.c.UpdatePassword(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gok := gokInstance(t, fmt.Sprintf("http://%s:%s@127.0.0.1:%d/", password.User, password.Password, base+7))

	out, err := gok("update")
	if err == nil || !strings.Contains(out, "developer") {
		t.Fatalf("an unsigned update with the developer setting off: %v, want a refusal that names the setting\n%s", err, tail(out, 20))
	}
	if s := d.system(); s.Slot != "a" {
		t.Fatalf("after the refusal slot %s runs", s.Slot)
	}

	if err := d.c.SetConfig(t.Context(), "update.developer", true); err != nil {
		t.Fatal(err)
	}
	u.eventually("the developer setting on the health tree", func() error {
		s, err := d.c.System(t.Context())
		if err == nil && !s.Developer {
			err = fmt.Errorf("the system says it is off")
		}
		return err
	})
	began := time.Now()
	if out, err := gok("update"); err != nil {
		t.Fatalf("gok update: %v\n%s", err, tail(out, 40))
	}
	t.Logf("gok update took %.0f s, the build included", time.Since(began).Seconds())
	u.eventually("the update to be confirmed", func() error {
		up, err := d.c.Update(t.Context())
		if err != nil {
			return err
		}
		if up.Busy() || up.Verdict == nil || up.Verdict.Result != client.Installed {
			return fmt.Errorf("phase %s, verdict %+v", up.Phase, up.Verdict)
		}
		return nil
	})
	if s := d.system(); s.Slot != "b" || s.Committed != "b" {
		t.Errorf("slot %s runs, %s is committed, want b", s.Slot, s.Committed)
	}
}

// gokInstance is this checkout as a gokrazy instance whose updates go to url.
func gokInstance(t *testing.T, url string) func(args ...string) (string, error) {
	t.Helper()
	top, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	instance := filepath.Join(parent, "hems")
	if err := os.MkdirAll(filepath.Join(instance, "builddir"), 0o755); err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(top, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var config map[string]any
	if err := json.Unmarshal(read("config.json"), &config); err != nil {
		t.Fatal(err)
	}
	config["InternalCompatibilityFlags"] = map[string]any{"Update": url}
	b, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	module := bytes.ReplaceAll(read("builddir/go.mod"), []byte("hems => ../"), []byte("hems => "+top))
	for name, b := range map[string][]byte{"config.json": b, "builddir/go.mod": module, "builddir/go.sum": read("builddir/go.sum")} {
		if err := os.WriteFile(filepath.Join(instance, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"build", "image"} { // what config.json takes from the checkout
		if err := os.Symlink(filepath.Join(top, name), filepath.Join(instance, name)); err != nil {
			t.Fatal(err)
		}
	}
	goenv, err := exec.Command("go", "env", "GOENV").Output()
	if err != nil {
		t.Fatal(err)
	}
	return func(args ...string) (string, error) {
		cmd := exec.Command(filepath.Join(top, "build", "gok"), append([]string{"--parent_dir", parent, "-i", "hems"}, args...)...)
		cmd.Dir = parent
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOWORK=off", "XDG_CONFIG_HOME="+parent,
			"GOENV="+strings.TrimSpace(string(goenv)), "GOFLAGS=-trimpath -buildvcs=false '-ldflags=-s -w'")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}
