//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPairingOnThePage does what a householder with a network dongle does: the
// dongle is at a TCP address, the meter is paired on the page, and its power
// appears on the first page without a name having been given.
func TestPairingOnThePage(t *testing.T) {
	dir := tempDir(t)
	if err := os.Mkdir(filepath.Join(dir, "simulator"), 0o700); err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", portBase(t))
	dongle := exec.Command(binary(t, "hems-simulator"), "--listen", address, "--control", filepath.Join(dir, "simulator", "control.sock"))
	log := &capture{}
	dongle.Stdout, dongle.Stderr = log, log
	if err := dongle.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		dongle.Process.Kill()
		dongle.Wait()
		if t.Failed() {
			t.Logf("what the simulator printed:\n%s", tail(log.String(), 30))
		}
	})

	u := run(t, dir, portBase(t), "-dongle", "tcp://"+address)
	u.awaitHealthz(200, "ok")
	ctx := signIn(t, u)
	do(t, ctx, "starting to listen",
		chromedp.Navigate(u.env["HEMS_URL"]+"/pair"),
		chromedp.Click(`button[value=start]`),
		chromedp.WaitVisible(`.listening`),
	)
	u.eventually("every step of the pairing to be done", func() error {
		open, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.querySelectorAll('.steps li:not([data-state=done])').length`))
		if err != nil {
			return err
		}
		done, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.querySelectorAll('.steps li[data-state=done]').length`))
		if err != nil {
			return err
		}
		if open > 0 || done < 5 {
			return fmt.Errorf("%d done, %d not", done, open)
		}
		return nil
	})
	screenshot(t, ctx, "e2e-pair-phone.png")
	u.hand("PUT", "/meter/power", "23")
	do(t, ctx, "going back to the first page", chromedp.Navigate(u.env["HEMS_URL"]+"/"), chromedp.WaitVisible(powerFigure))
	awaitFigure(t, u, ctx, 23)
	if took := u.stop(); took.Seconds() > 3 {
		t.Errorf("stopping while the network is open took %v, want no more than 3 s", took)
	}
	if !strings.Contains(u.out.String(), "EMIZB-141") {
		t.Error(errors.New("the log does not name the meter that was paired"))
	}
}
