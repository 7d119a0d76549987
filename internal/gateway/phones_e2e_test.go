//go:build e2e

package gateway

import (
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/smartcore-ireland/hems/internal/gateway/front"
	"github.com/smartcore-ireland/hems/internal/remote"
	"github.com/smartcore-ireland/hems/internal/remote/phones"
)

// TestPhonesPages adds a phone as its owner does, reads the code with a reader that
// is not ours, opens what it says as the phone does, and revokes it.
func TestPhonesPages(t *testing.T) {
	if _, err := exec.LookPath("zbarimg"); err != nil {
		t.Fatal("the code is read with zbarimg: apt-get install zbar-tools")
	}
	for _, c := range []struct {
		screen screen
		scheme string
	}{{phone, "light"}, {phone, "dark"}, {desktop, "light"}, {desktop, "dark"}} {
		t.Run(c.screen.name+"-"+c.scheme, func(t *testing.T) {
			h := newHouse(t, asking(phones.Optional))
			h.well()
			b := openBrowser(t, h.url, c.screen, c.scheme)
			look := func(name string) {
				t.Helper()
				b.fits()
				b.shoot(c.screen.name + "-" + c.scheme + "-" + name)
				for _, faint := range eval[[]string](b, contrastScript) {
					t.Error(faint)
				}
			}
			b.signIn()
			b.do("the page", chromedp.Navigate(h.url+"/phones"), chromedp.WaitVisible(`#phone-name`))
			look("phones-none")
			b.do("adding one", chromedp.SendKeys(`#phone-name`, "Alice’s phone"), chromedp.Click(`.stack button.main`), chromedp.WaitVisible(`svg.qr`))
			look("phones-new")
			eval[bool](b, `document.querySelector("svg.qr").scrollIntoView({block: "center"}), true`)
			b.shoot(c.screen.name + "-" + c.scheme + "-phones-code")
			link := eval[string](b, `document.querySelector(".address").textContent`)
			out, err := exec.Command("zbarimg", "-q", "--raw", filepath.Join("..", "..", "build", "screenshots", c.screen.name+"-"+c.scheme+"-phones-code.png")).Output()
			if got := strings.TrimSpace(string(out)); err != nil || got != link {
				t.Errorf("the code says %q (%v), want %q", got, err, link)
			}
			b.do("the page then", chromedp.Navigate(h.url+"/phones"), chromedp.WaitVisible(`.phone`))
			eval[bool](b, `document.querySelector("#lan-mode").scrollIntoView(), true`)
			look("phones")
			u, err := url.Parse(link)
			if err != nil {
				t.Fatal(err)
			}
			b.do("the phone's page", chromedp.Navigate(h.url+u.Path), chromedp.WaitVisible(`main.trust`), chromedp.Click(`.steps-for summary`))
			look("phone")
			b.do("revoking it", chromedp.Navigate(h.url+"/phones"), chromedp.WaitVisible(`.phone button`), chromedp.Click(`.phone button`))
			b.await(`document.querySelector("main.phones") !== null && !document.querySelector(".phone") && document.body.textContent.includes("Alice’s phone: revoked")`)
			b.clean()
		})
	}
}

// TestWaysPage shows the ways in as they can be.
func TestWaysPage(t *testing.T) {
	since := time.Now().Add(-3 * time.Hour)
	for _, c := range []struct {
		screen screen
		scheme string
	}{{phone, "light"}, {phone, "dark"}, {desktop, "light"}, {desktop, "dark"}} {
		t.Run(c.screen.name+"-"+c.scheme, func(t *testing.T) {
			h := newHouse(t, withHomeAssistant(t, front.Well), func(o *Options) {
				o.HostName = "hems"
				o.Reporters = []remote.Reporter{
					told{Way: remote.Tailnet, State: remote.Up, Since: since, Detail: "The appliance is hems in your tailnet.", Links: []string{"https://hems.tail1234.ts.net/"}},
					told{Way: remote.Cloudflare, State: remote.NeedsYou, Since: since, Detail: "The name ha.example.ie has no rule.", Action: "Say who may use it."},
				}
			})
			h.well()
			b := openBrowser(t, h.url, c.screen, c.scheme)
			b.signIn()
			b.do("by More", chromedp.Navigate(h.url+"/more"), chromedp.WaitVisible(`a[href="/ways"]`), chromedp.Click(`a[href="/ways"]`), chromedp.WaitVisible(`main.ways-in`))
			b.await(`document.querySelector("#next-label").parentElement.textContent.includes("ha.example.ie has no rule. Say who may use it.")`)
			b.fits()
			b.shoot(c.screen.name + "-" + c.scheme + "-ways")
			eval[bool](b, `document.querySelectorAll("details").forEach(d => d.open = true), true`)
			b.fits()
			for _, faint := range eval[[]string](b, contrastScript) {
				t.Error(faint)
			}
			eval[bool](b, `document.querySelector("#tailnet-label").scrollIntoView(), true`)
			b.shoot(c.screen.name + "-" + c.scheme + "-ways-open")
			b.clean()
		})
	}
}

// TestCloudflarePage shows the page of the tunnel with two names, and takes a third.
func TestCloudflarePage(t *testing.T) {
	for _, c := range []struct {
		screen screen
		scheme string
	}{{phone, "light"}, {phone, "dark"}, {desktop, "light"}, {desktop, "dark"}} {
		t.Run(c.screen.name+"-"+c.scheme, func(t *testing.T) {
			h := newHouse(t, func(o *Options) {
				o.Cloud.Enabled, o.Cloud.Team = true, "smartcore"
				o.Cloud.HomeSocket, o.Cloud.DashboardSocket = "unix:/run/hems/cloudflare/home.sock", "unix:/run/hems/cloudflare/dashboard.sock"
				o.Cloud.Hosts = []CloudHost{{Host: "ha.example.ie", To: "home_assistant", Rule: "access", Audience: "app"}, {Host: "ha-mobile.example.ie", To: "home_assistant", Rule: "client_certificate", Certificates: []string{strings.Repeat("ab", 32)}}}
				o.Reporters = []remote.Reporter{told{Way: remote.Cloudflare, State: remote.Up, Since: time.Now().Add(-time.Hour), Detail: "The tunnel has 4 connections to Cloudflare.", Links: []string{"https://ha.example.ie/"}}}
			})
			h.well()
			b := openBrowser(t, h.url, c.screen, c.scheme)
			b.signIn()
			b.do("the page", chromedp.Navigate(h.url+"/ways/cloudflare"), chromedp.WaitVisible(`#host`))
			b.fits()
			b.shoot(c.screen.name + "-" + c.scheme + "-cloudflare")
			eval[bool](b, `document.querySelectorAll("details").forEach(d => d.open = true), document.querySelector("#names-label").scrollIntoView(), true`)
			b.fits()
			b.shoot(c.screen.name + "-" + c.scheme + "-cloudflare-names")
			for _, faint := range eval[[]string](b, contrastScript) {
				t.Error(faint)
			}
			b.do("a third name", chromedp.SendKeys(`#host`, "hems.example.ie"), chromedp.Click(`form[action="/ways/cloudflare/add"] button.main`))
			b.await(`document.body !== null && document.body.textContent.includes("Saved. It counts in a few seconds.")`)
			b.clean()
		})
	}
}
