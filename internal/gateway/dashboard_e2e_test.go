//go:build e2e

package gateway

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// furnish fills a house as a home would be after a day.
func (h *house) furnish() {
	h.t.Helper()
	h.past.liveThrough(time.Now().UTC())
	h.well()
	h.pair()
	h.publish("zigbee2mqtt/bridge/state", "online", true)
	c := h.signedIn()
	h.await(c, "/api/v1/devices", "EMIZB-141")
	h.reads(`{"power":342,"energy":1234.567,"linkquality":134,"voltage":3,"battery":89}`)
	h.await(c, "/api/v1/now", `"today_kwh":8.42`)
}

func TestDashboardInABrowser(t *testing.T) {
	for _, s := range []screen{phone, desktop} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(s.name+"/"+scheme, func(t *testing.T) {
				h := newHouse(t)
				if !h.files.bundled {
					t.Fatal("the dashboard's bundle is missing: run make ui")
				}
				h.furnish()
				b := openBrowser(t, h.url, s, scheme)
				b.do("the sign-in page", chromedp.Navigate(h.url+"/devices"), chromedp.WaitVisible(`input[name=user]`))
				b.fits()
				b.shoot(s.name + "-" + scheme + "-login")
				b.signIn()

				b.await(`document.getElementById("power").textContent === "342"`)
				b.await(`document.querySelector("#chart canvas") !== null`)
				b.await(`/^(just now|\d+ s ago)$/.test(document.getElementById("age").textContent)`)
				h.reads(`{"power":1287,"energy":1234.617,"linkquality":130,"voltage":3,"battery":89}`)
				b.await(`document.getElementById("power").textContent === "1,287"`)
				b.await(`document.getElementById("today").textContent === "8.47"`)
				b.fits()
				b.do("settling", chromedp.Sleep(300*time.Millisecond))
				b.shoot(s.name + "-" + scheme + "-now")

				if got, want := eval[string](b, `getComputedStyle(document.body).backgroundColor`), map[string]string{
					"light": "rgb(248, 247, 243)", "dark": "rgb(19, 21, 23)"}[scheme]; got != want {
					t.Errorf("paper in %s mode: got %s, want %s", scheme, got, want)
				}

				b.do("opening Devices", chromedp.Click(`a[href="/devices"]`), chromedp.WaitVisible(`main.devices`))
				if got := eval[int](b, `document.querySelectorAll(".device").length`); got != 1 {
					t.Errorf("devices: got %d rows, want 1", got)
				}
				b.await(`document.querySelector(".device").innerText.includes("1,287 W")`)
				b.do("opening the details", chromedp.Click(`summary`))
				h.reads(`{"power":96,"energy":1234.62,"linkquality":40,"voltage":3,"battery":12}`)
				b.await(`document.querySelector(".device").innerText.includes("96 W") && document.querySelector(".device details").open`)
				b.fits()
				b.shoot(s.name + "-" + scheme + "-devices")

				b.do("opening More", chromedp.Click(`a[href="/more"]`), chromedp.WaitVisible(`main.more`))
				b.fits()
				b.shoot(s.name + "-" + scheme + "-more")
				b.clean()
			})
		}
	}
}

func TestDashboardWithoutAMeter(t *testing.T) {
	for _, s := range []screen{phone, desktop} {
		t.Run(s.name, func(t *testing.T) {
			h := newHouse(t)
			h.well()
			b := openBrowser(t, h.url, s, "light")
			b.signIn()
			b.await(`document.querySelector(".welcome").checkVisibility()`)
			b.await(`document.querySelector("#chart canvas") !== null`)
			b.do("settling", chromedp.Sleep(300*time.Millisecond))
			b.fits()
			b.shoot(s.name + "-light-no-meter")
			b.do("opening Devices", chromedp.Click(`a[href="/devices"]`), chromedp.WaitVisible(`main.devices`))
			b.shoot(s.name + "-light-no-devices")

			h.pair()
			b.await(`document.querySelectorAll(".device").length === 1`)
			b.do("back to Now", chromedp.Click(`a[href="/"]`), chromedp.WaitVisible(`main.now`))
			h.reads(`{"power":512,"energy":1,"linkquality":80,"battery":60}`)
			b.await(`document.getElementById("power").textContent === "512"`)
			b.clean()
		})
	}
}

func TestDashboardSaysWhatIsWrong(t *testing.T) {
	h := newHouse(t)
	h.furnish()
	b := openBrowser(t, h.url, phone, "light")
	b.signIn()
	b.await(`document.getElementById("notice").hidden`)
	h.publish("hems/zigbee/health", `{"state":"failing","message":"the dongle is unplugged","hint":"plug it back in; readings resume by themselves"}`, true)
	b.await(`document.getElementById("notice").innerText.includes("The dongle is unplugged.")`)
	b.fits()
	b.shoot("phone-light-wrong")
	h.publish("hems/zigbee/health", `{"state":"ok"}`, true)
	b.await(`document.getElementById("notice").hidden`)
	h.publish(meterTopic+"/availability", "offline", true)
	b.await(`/^no reading since \d\d:\d\d$/.test(document.getElementById("age").textContent)`)
	b.shoot("phone-light-gone")
	b.clean()
}

func TestThemeIsRemembered(t *testing.T) {
	h := newHouse(t)
	b := openBrowser(t, h.url, phone, "light")
	b.signIn()
	b.do("choosing dark", chromedp.Navigate(h.url+"/more"), chromedp.Click(`button[value=dark]`), chromedp.WaitVisible(`button[value=dark][aria-pressed=true]`))
	b.do("back to Now", chromedp.Navigate(h.url+"/"), chromedp.WaitVisible(`main.now`))
	if got, want := eval[string](b, `getComputedStyle(document.body).backgroundColor`), "rgb(19, 21, 23)"; got != want {
		t.Errorf("paper: got %s, want %s", got, want)
	}
	b.do("choosing the system's", chromedp.Navigate(h.url+"/more"), chromedp.Click(`button[value=system]`), chromedp.WaitVisible(`button[value=system][aria-pressed=true]`))
	if got, want := eval[string](b, `getComputedStyle(document.body).backgroundColor`), "rgb(248, 247, 243)"; got != want {
		t.Errorf("paper: got %s, want %s", got, want)
	}
	b.clean()
}

// TestFirstPageIsLight holds the budget of the first page with a day of data.
func TestFirstPageIsLight(t *testing.T) {
	const budget = 150_000
	h := newHouse(t)
	h.furnish()
	b := openBrowser(t, h.url, phone, "light")
	b.signIn()
	b.await(`document.querySelector("#chart canvas") !== null`)
	b.do("settling", chromedp.Sleep(500*time.Millisecond))
	b.mu.Lock()
	got := b.bytes
	b.mu.Unlock()
	t.Logf("transferred for the sign-in and the first page: %d bytes", got)
	if got == 0 || got > budget {
		t.Errorf("transferred: got %d bytes, want 1 to %d", got, budget)
	}
	b.clean()
}
