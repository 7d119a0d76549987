//go:build e2e

package gateway

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"

	"github.com/smartcore-ireland/hems/internal/gateway/front"
)

// TestPageGoesOverToTLS: a browser that does not trust the appliance stays where it
// is; once it does, the page goes over by itself, and its visitor stays signed in.
func TestPageGoesOverToTLS(t *testing.T) {
	s := newSecureHouse(t)
	s.well()
	b := openBrowser(t, s.plain, phone, "light")
	b.signIn()
	b.do("the page about it", chromedp.Navigate(s.plain+"/system/https"), chromedp.WaitVisible(`main.https`))
	b.await(`document.body.innerText.includes("not encrypted")`)
	b.await(`localStorage.getItem("hems-https-tried") !== null`) // it was asked, and refused
	if got := eval[string](b, `location.protocol`); got != "http:" {
		t.Fatalf("before the certificate is trusted: got %s", got)
	}
	if err := call(b.ctx, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true}); err != nil {
		t.Fatal(err)
	}
	b.await(`location.protocol === "https:" && document.readyState === "complete" && document.body.innerText.includes("is encrypted")`)
	if got, want := eval[string](b, `location.pathname`), "/system/https"; got != want {
		t.Errorf("went to %s, want %s, and still signed in", got, want)
	}
	b.expected("CERT_AUTHORITY_INVALID") // each look that was refused
	b.clean()
}

// TestSecureConnectionPages shows the pages, and reads the code with a reader that
// is not ours.
func TestSecureConnectionPages(t *testing.T) {
	if _, err := exec.LookPath("zbarimg"); err != nil {
		t.Fatal("the code is read with zbarimg: apt-get install zbar-tools")
	}
	for _, c := range []struct {
		screen screen
		scheme string
	}{{phone, "light"}, {phone, "dark"}, {desktop, "light"}, {desktop, "dark"}} {
		t.Run(c.screen.name+"-"+c.scheme, func(t *testing.T) {
			s := newSecureHouse(t)
			s.well()
			b := openBrowser(t, s.plain, c.screen, c.scheme)
			b.signIn()
			b.do("the page", chromedp.Navigate(s.plain+"/system/https"), chromedp.WaitVisible(`svg.qr`))
			b.fits()
			b.shoot(c.screen.name + "-" + c.scheme + "-https")
			eval[bool](b, `document.querySelector("svg.qr").scrollIntoView({block: "center"}), true`)
			b.shoot(c.screen.name + "-" + c.scheme + "-https-code")
			link := eval[string](b, `document.querySelector(".address").textContent`)
			out, err := exec.Command("zbarimg", "-q", "--raw", filepath.Join("..", "..", "build", "screenshots", c.screen.name+"-"+c.scheme+"-https-code.png")).Output()
			if got := string(out); err != nil || got != link+"\n" {
				t.Errorf("the code says %q (%v), want %q", got, err, link)
			}
			for _, faint := range eval[[]string](b, contrastScript) {
				t.Error(faint)
			}
			b.do("the phone's page", chromedp.Navigate(link), chromedp.WaitVisible(`main.trust`), chromedp.Click(`.steps-for summary`))
			b.fits()
			b.shoot(c.screen.name + "-" + c.scheme + "-trust")
			for _, faint := range eval[[]string](b, contrastScript) {
				t.Error(faint)
			}
			b.expected("CERT_AUTHORITY_INVALID")
			b.clean()
		})
	}
}

// TestHomeAssistantPages shows its page in each state.
func TestHomeAssistantPages(t *testing.T) {
	for _, c := range []struct {
		screen screen
		scheme string
	}{{phone, "light"}, {desktop, "dark"}} {
		for _, state := range []front.Verdict{front.Well, front.Untrusted, front.Away} {
			t.Run(c.screen.name+"-"+c.scheme+"-"+string(state), func(t *testing.T) {
				h := newHouse(t, withHomeAssistant(t, state))
				h.well()
				b := openBrowser(t, h.url, c.screen, c.scheme)
				b.signIn()
				b.await(`document.querySelector(".home-assistant, main") !== null`)
				h.awaitHome(state)
				b.do("the page", chromedp.Navigate(h.url+"/system/home-assistant"), chromedp.WaitVisible(`main.home-assistant`))
				b.fits()
				b.shoot(c.screen.name + "-" + c.scheme + "-home-assistant-" + string(state))
				for _, faint := range eval[[]string](b, contrastScript) {
					t.Error(faint)
				}
				b.clean()
			})
		}
	}
}
