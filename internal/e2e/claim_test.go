//go:build vm

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/image"
	"github.com/smartcore-ireland/hems/internal/client"
)

// TestACardIsClaimedAndItsBackupRestoredOnAnother follows an owner: a card that
// was flashed with a code is claimed by it, makes a backup, and is lost; another
// one, flashed with any tool, is claimed by the first visitor and takes the
// backup, after which it is the first one.
func TestACardIsClaimedAndItsBackupRestoredOnAnother(t *testing.T) {
	const passphrase = "a passphrase of several words"
	dir := tempDir(t)
	code := filepath.Join(dir, "code")
	if err := os.WriteFile(code, []byte("SEVEN-GREEN-HILLS\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	// The first card.
	first := newCard(t, func(card string) {
		out, err := exec.Command(binary(t, "hems"), "flash", "-image", cardImage(t), "-force", "-yes",
			"-host-name", "energy", "-time-zone", "Europe/Dublin", "-claim-code", code, card).CombinedOutput()
		if err != nil {
			t.Fatalf("hems flash: %v\n%s", err, out)
		}
	})
	v := first.visit()
	if page := v.get("/"); !strings.Contains(page, "Code of this appliance") {
		t.Fatalf("a card with a code does not ask for it: %s", page)
	}
	if got, want := v.claim("four-grey-hills", "first password"), http.StatusForbidden; got != want {
		t.Errorf("claimed with a wrong code: status %d, want %d", got, want)
	}
	if got, want := v.claim("sevengreenhills", "first password"), http.StatusSeeOther; got != want {
		t.Fatalf("claimed with the code: status %d, want %d", got, want)
	}
	if got, want := v.claim("sevengreenhills", "another password"), http.StatusSeeOther; got != want {
		t.Errorf("claimed again: status %d, want %d, to the sign-in page", got, want)
	}
	c := v.client("owner", "first password")
	v.eventually("the host name of the seed", func() error {
		s, err := c.System(t.Context())
		if err == nil && s.HostName != "energy" {
			err = fmt.Errorf("the host is called %q", s.HostName)
		}
		return err
	})
	v.eventually("the password of the update port, made at the claim", func() error {
		p, err := c.UpdatePassword(t.Context())
		if err == nil && (p.User != "gokrazy" || len(p.Password) < 16) {
			err = errors.New("it is none")
		}
		return err
	})
	if err := c.SetConfig(t.Context(), "home.name", "The first house"); err != nil {
		t.Fatal(err)
	}
	v.eventually("the pages under the home's name", func() error { // the gateway starts anew for it
		if page := v.get("/login"); !strings.Contains(page, "The first house") {
			return errors.New("another name")
		}
		return nil
	})
	authority := v.authority("owner", "first password")
	r, missing, err := c.Backup(t.Context(), passphrase)
	if err != nil || missing != "" {
		t.Fatalf("backup: %v, missing %q", err, missing)
	}
	backup, err := io.ReadAll(r)
	if err != nil || len(backup) < 1000 {
		t.Fatalf("a backup of %d bytes: %v", len(backup), err)
	}
	first.powerOff()

	// The second.
	second := newCard(t, nil)
	v = second.visit()
	if page := v.get("/"); strings.Contains(page, "Code of this appliance") || !strings.Contains(page, "Make it mine") {
		t.Fatalf("a card without a code is not open to its first visitor: %s", page)
	}
	if got, want := v.claim("", "second password"), http.StatusSeeOther; got != want {
		t.Fatalf("claimed by the first visitor: status %d, want %d", got, want)
	}
	if bytes.Equal(authority, v.authority("owner", "second password")) {
		t.Error("two cards have the same certificate authority")
	}
	c = v.client("owner", "second password")
	var refusal *client.Error
	if err := c.Restore(t.Context(), "not the passphrase at all", bytes.NewReader(backup)); !errors.As(err, &refusal) {
		t.Fatalf("restoring with a wrong passphrase: %v, want a refusal", err)
	}
	if err := c.Restore(t.Context(), passphrase, bytes.NewReader(backup)); err != nil {
		t.Fatal(err)
	}
	c = v.client("owner", "first password")
	v.eventually("the first card's owner on the second", func() error {
		s, err := c.System(t.Context())
		if err == nil && s.HostName != "energy" {
			err = fmt.Errorf("the host is called %q", s.HostName)
		}
		return err
	})
	if got := v.authority("owner", "first password"); !bytes.Equal(authority, got) {
		t.Errorf("the authority after the restore is\n%s\nwant\n%s", got, authority)
	}
	kept, err := c.Config(t.Context())
	if err != nil || !strings.Contains(kept.Text, "The first house") {
		t.Errorf("the restored configuration is %q, %v", kept.Text, err)
	}
}

// A visitor is a browser in the home's network.
type visitor struct {
	t   *testing.T
	url string
	c   *http.Client
}

// visit boots the card and waits for its pages.
func (c *startedCard) visit() *visitor {
	c.t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", portBase(c.t))
	c.vm.Forward = []image.Forward{{Host: address, Guest: 80}}
	c.powerOn()
	v := &visitor{t: c.t, url: "http://" + address, c: &http.Client{
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	c.t.Cleanup(v.c.CloseIdleConnections)
	v.eventually("the page to claim it", func() error {
		if page := v.get("/claim"); !strings.Contains(page, "Make it mine") {
			return errors.New("not there yet")
		}
		return nil
	})
	return v
}

// get is the page that a browser shows for a path, or nothing.
func (v *visitor) get(path string) string {
	for range 3 { // redirections
		resp, err := v.c.Get(v.url + path)
		if err != nil {
			return ""
		}
		b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		resp.Body.Close()
		if err != nil {
			return ""
		}
		if to := resp.Header.Get("Location"); to != "" {
			path = to
			continue
		}
		return string(b)
	}
	return ""
}

func (v *visitor) claim(code, password string) int {
	v.t.Helper()
	resp, err := v.c.PostForm(v.url+"/claim", url.Values{"code": {code}, "user": {"owner"}, "password": {password}, "again": {password}})
	if err != nil {
		v.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func (v *visitor) client(user, password string) *client.Client {
	v.t.Helper()
	c, err := client.Remote(v.url, user, password)
	if err != nil {
		v.t.Fatal(err)
	}
	return c
}

// authority is the appliance's certificate authority.
func (v *visitor) authority(user, password string) (pem []byte) {
	v.t.Helper()
	v.eventually("the certificate authority", func() error {
		req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.url+"/api/v1/system/ca", nil)
		if err != nil {
			return err
		}
		req.SetBasicAuth(user, password)
		resp, err := v.c.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if pem, err = io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s %w", resp.Status, pem, err)
		}
		return nil
	})
	return pem
}

func (v *visitor) eventually(what string, check func() error) {
	v.t.Helper()
	for deadline := time.Now().Add(machine); ; time.Sleep(500 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			v.t.Fatalf("waited %v for %s: %v", machine, what, err)
		}
	}
}
