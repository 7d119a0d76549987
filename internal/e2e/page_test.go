//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// browser is a headless Chromium with an empty profile.
func browser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("the browser test needs Chromium: apt-get install chromium: %v", err)
	}
	alloc, cancel := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.WindowSize(360, 740),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true))
	ctx, cancelPage := chromedp.NewContext(alloc)
	t.Cleanup(func() { cancelPage(); cancel() })
	if err := chromedp.Do(ctx); err != nil { // the browser lives as long as the context of the first call
		t.Fatalf("starting Chromium: %v", err)
	}
	return ctx
}

// page sees the power that was set, and sees it
// change by itself when the house draws something else.
func page(t *testing.T, u *under, watts int) {
	ctx := signIn(t, u)
	awaitFigure(t, u, ctx, watts)
	u.hand("PUT", "/meter/power", "31")
	awaitFigure(t, u, ctx, 31) // no reload: the page follows by itself
	screenshot(t, ctx, "e2e-now-phone.png")
}

// signIn opens the dashboard on a phone's screen and signs in by its form.
func signIn(t *testing.T, u *under) context.Context {
	t.Helper()
	ctx := browser(t)
	do(t, ctx, "signing in",
		chromedp.EmulateViewport(360, 740),
		chromedp.Navigate(u.env["HEMS_URL"]),
		chromedp.WaitVisible(`input[name=password]`),
		chromedp.SetValue(`input[name=user]`, u.env["HEMS_USER"]),
		chromedp.SendKeys(`input[name=password]`, u.env["HEMS_PASSWORD"]),
		chromedp.Click(`form button`),
		chromedp.WaitReady(powerFigure), // hidden until there is a meter
	)
	return ctx
}

// do runs actions on the page within bounds.
func do(t *testing.T, ctx context.Context, what string, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func screenshot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join("..", "..", "build", "screenshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), shot, 0o644); err != nil {
		t.Fatal(err)
	}
}

// powerFigure is the element that holds the number of watts and nothing else.
const powerFigure = `#power`

func awaitFigure(t *testing.T, u *under, ctx context.Context, want int) {
	t.Helper()
	var text string
	u.eventually(fmt.Sprintf("%d W on the page", want), func() error {
		var err error
		if text, err = chromedp.Run(ctx, chromedp.TextContent(powerFigure)); err != nil {
			return err
		}
		if digits := strings.ReplaceAll(strings.TrimSpace(text), ",", ""); digits != strconv.Itoa(want) {
			return fmt.Errorf("it shows %q", text)
		}
		return nil
	})
}
