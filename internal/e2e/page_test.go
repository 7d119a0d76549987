//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browser is a headless Chromium with an empty profile.
func browser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("the browser test needs Chromium: apt-get install chromium: %v", err)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.WindowSize(360, 740), chromedp.WSURLReadTimeout(patience))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*patience)
	t.Cleanup(cancel)
	return ctx
}

// page signs in as the README says, sees the power that was set, and sees it
// change by itself when the house draws something else.
func page(t *testing.T, u *under, watts int) {
	ctx := browser(t)
	err := chromedp.Run(ctx,
		chromedp.Navigate(u.env["HEMS_URL"]),
		chromedp.WaitVisible(`input[name=password]`),
		chromedp.SendKeys(`input[name=user]`, u.env["HEMS_USER"]),
		chromedp.SendKeys(`input[name=password]`, u.env["HEMS_PASSWORD"]),
		chromedp.Click(`form [type=submit]`),
		chromedp.WaitVisible(powerFigure),
	)
	if err != nil {
		t.Fatalf("signing in: %v", err)
	}
	awaitFigure(t, u, ctx, watts)
	u.hand("PUT", "/meter/power", "432")
	awaitFigure(t, u, ctx, 432) // no reload: the page follows by itself
	var shot []byte
	if err := chromedp.Run(ctx, chromedp.FullScreenshot(&shot, 90)); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join("..", "..", "build", "screenshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "e2e-now-phone.png"), shot, 0o644); err != nil {
		t.Fatal(err)
	}
}

// powerFigure is the element that holds the watts and nothing else.
const powerFigure = `[data-live="power"]`

func awaitFigure(t *testing.T, u *under, ctx context.Context, want int) {
	t.Helper()
	deadline := time.Now().Add(patience)
	var text string
	for time.Now().Before(deadline) {
		if err := chromedp.Run(ctx, chromedp.Text(powerFigure, &text)); err != nil {
			t.Fatalf("reading the figure: %v", err)
		}
		digits := strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, text)
		if digits == strconv.Itoa(want) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("the page shows %q, want %d W", text, want)
}
