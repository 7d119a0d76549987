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
	return ctx
}

// page signs in as the README says, sees the power that was set, and sees it
// change by itself when the house draws something else.
func page(t *testing.T, u *under, watts int) {
	ctx := browser(t)
	err := chromedp.Do(ctx,
		chromedp.EmulateViewport(360, 740),
		chromedp.Navigate(u.env["HEMS_URL"]),
		chromedp.WaitVisible(`input[name=password]`),
		chromedp.SetValue(`input[name=user]`, u.env["HEMS_USER"]),
		chromedp.SendKeys(`input[name=password]`, u.env["HEMS_PASSWORD"]),
		chromedp.Click(`form button`),
		chromedp.WaitVisible(powerFigure),
	)
	if err != nil {
		t.Fatalf("signing in: %v", err)
	}
	awaitFigure(t, u, ctx, watts)
	u.hand("PUT", "/meter/power", "432")
	awaitFigure(t, u, ctx, 432) // no reload: the page follows by itself
	shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
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
