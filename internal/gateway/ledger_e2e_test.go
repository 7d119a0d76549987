//go:build e2e

package gateway

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/smartcore-ireland/hems/internal/client"
)

func TestFileOfESBNetworksInABrowser(t *testing.T) {
	for _, s := range []screen{phone, desktop} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(s.name+"/"+scheme, func(t *testing.T) {
				h := newHouse(t)
				h.furnish()
				b := openBrowser(t, h.url, s, scheme)
				b.signIn()
				b.do("the page", chromedp.Navigate(h.url+"/ledger"), chromedp.WaitVisible(`#send input[type=file]`))
				b.fits()
				b.shoot(s.name + "-" + scheme + "-ledger-empty")

				h.metrics.Answer("POST /v1/hdf", http.StatusBadRequest, client.Error{Code: "file", Message: "reading the ESB Networks file: line 1: there is no column \"MPRN\"", Hint: "choose one of the four downloads"})
				b.choose("#send input[type=file]", 3<<20)
				b.await(shown("#sent-problem") + `.includes("there is no column")`)
				if got := len(h.metrics.Body("POST /v1/hdf")); got != 3<<20 {
					t.Errorf("the upload: got %d bytes, want %d", got, 3<<20)
				}
				b.fits()
				b.expected("400")

				givenFile(h)
				h.metrics.Answer("POST /v1/hdf", http.StatusOK, client.MeterFile{})
				b.choose("#send input[type=file]", 3<<20)
				b.do("the result", chromedp.WaitVisible(`#result`))
				b.await(shown("#result") + `.includes("ending in 417")`)
				b.await(shown(".days") + `.includes("+0.01")`)
				b.fits()
				b.shoot(s.name + "-" + scheme + "-ledger")
				if low := eval[string](b, `[...document.querySelectorAll("main button, main summary, main a.plain, main .file")].filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 44).map((e) => e.outerHTML).join(" ")`); low != "" {
					t.Errorf("less than 44 px high: %s", low)
				}
				b.clean()
			})
		}
	}
}
