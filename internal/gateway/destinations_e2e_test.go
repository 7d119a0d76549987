//go:build e2e

package gateway

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/smartcore-ireland/hems/internal/client"
)

func TestDestinationsInABrowser(t *testing.T) {
	for _, s := range []screen{{"narrow", 390, 844, true}, desktop} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(s.name+"/"+scheme, func(t *testing.T) {
				h := newHouse(t)
				h.furnish()
				list := places(time.Now())
				h.metrics.Answer("GET /v1/destinations", http.StatusOK, list)
				b := openBrowser(t, h.url, s, scheme)
				b.signIn()
				b.do("More", chromedp.Navigate(h.url+"/more"), chromedp.WaitVisible(`main.more .ways`))
				b.do("the page", chromedp.Click(`.ways a[href="/system/destinations"]`), chromedp.WaitVisible(`main.destinations`))
				b.fits()
				b.shoot(s.name + "-" + scheme + "-destinations")
				small := `[...document.querySelectorAll("main button, main summary, main select, main a.button, main .line")].filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 44).map((e) => e.outerHTML).join(" ")`
				if low := eval[string](b, small); low != "" {
					t.Errorf("less than 44 px high: %s", low)
				}

				// What was typed stays while the list keeps itself true.
				b.do("a day", chromedp.SetValue(`#again-from`, "2026-11-20"), chromedp.SetValue(`#again-name`, "archive"))
				list[1].Progress, list[1].Backlog = 0.8, 12_345
				h.metrics.Answer("GET /v1/destinations", http.StatusOK, list)
				b.await(`document.querySelector("[data-key=archive]").innerText.includes("80 %")`)
				if got := eval[string](b, `document.getElementById("again-from").value + document.getElementById("again-name").value`); got != "2026-11-20archive" {
					t.Errorf("what was typed: got %q", got)
				}
				b.do("sending again", chromedp.Click(`form[action="/system/destinations/resend"] button`), chromedp.WaitVisible(`main.destinations [role=status]`))
				b.await(`document.querySelector("main").innerText.includes("Sending again: 64,800 readings.")`)
				asked := h.metrics.Questions()
				if !slices.ContainsFunc(asked, func(q string) bool {
					return strings.HasPrefix(q, "POST /v1/destinations/archive/resend?from=2026-11-")
				}) {
					t.Errorf("the metrics writer was asked %q", asked)
				}
				b.fits()
				b.shoot(s.name + "-" + scheme + "-destinations-again")

				h.metrics.Answer("GET /v1/destinations/{name}/aside", http.StatusOK, []client.Aside{
					{ID: 1, Entity: "frient_blink_counter_power", Time: time.Now(), Line: "sensor,entity_id=frient_blink_counter_power,unit_of_measurement=W value=342 1708789012000000000",
						Reason: `it answers 422: failure writing points to database: partial write: field type conflict: input field "value" on measurement "sensor" is type float, already exists as type integer dropped=1`},
					{ID: 2, Entity: "boiler_mode", Time: time.Now(), Line: `sensor,entity_id=boiler_mode state="heat" 1708789012000000000`, Reason: "it answers 422: points beyond retention policy"}})
				b.do("what is aside", chromedp.Click(`[data-key=archive] a.button`), chromedp.WaitVisible(`main.aside`))
				b.do("why", chromedp.Click(`main.aside summary`))
				b.await(`document.querySelector("main.aside").innerText.includes("already exists as type integer")`)
				b.fits()
				b.shoot(s.name + "-" + scheme + "-destinations-aside")
				if low := eval[string](b, small); low != "" {
					t.Errorf("less than 44 px high: %s", low)
				}
				b.do("sending them again", chromedp.Click(`form[action="/system/destinations/aside"] button`), chromedp.WaitVisible(`main.destinations`))
				b.clean()
			})
		}
	}
}
