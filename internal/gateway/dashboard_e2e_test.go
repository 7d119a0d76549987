//go:build e2e

package gateway

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
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
				b.do("opening the details", chromedp.Click(`.device summary`))
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

func TestPairingInABrowser(t *testing.T) {
	for _, s := range []screen{phone, desktop} {
		t.Run(s.name, func(t *testing.T) {
			h := newHouse(t)
			h.well()
			b := openBrowser(t, h.url, s, "light")
			b.signIn()
			b.do("to the pairing", chromedp.Click(`.welcome a.button`), chromedp.WaitVisible(`main.pair`))
			b.do("asking", chromedp.Click(`button[value=start]`), chromedp.WaitVisible(`main.pair`))
			h.publish("zigbee2mqtt/bridge/info", fmt.Sprintf(`{"permit_join":true,"permit_join_end":%d}`, time.Now().Add(254*time.Second).UnixMilli()), true)
			b.await(`/^4:1[0-4]$/.test(document.querySelector("[data-clock]")?.textContent)`)
			b.await(`/^4:0\d$/.test(document.querySelector("[data-clock]")?.textContent)`) // it counts down by itself
			for i, name := range []string{"joined", "node_descriptor", "endpoints", "basic"} {
				h.step(name, true, time.Duration(i)*380*time.Millisecond, "")
			}
			b.await(`document.querySelectorAll(".steps [data-state=done]").length === 4`)
			b.fits()
			b.shoot(s.name + "-light-pair")
			h.step("failed", false, 9*time.Second, "the device could not be set up to report")
			b.await(`document.body.innerText.includes("could not be set up to report.")`)
			b.shoot(s.name + "-light-pair-failed")
			b.clean()
		})
	}
}

func TestCurveIsReadWithKeysAndFinger(t *testing.T) {
	h := newHouse(t)
	h.furnish()
	b := openBrowser(t, h.url, phone, "dark")
	b.signIn()
	b.await(`document.getElementById("readout").textContent.startsWith("highest ")`)
	b.do("an arrow key", chromedp.Focus(`#chart`), chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent(kb.ArrowLeft))
	b.await(`/^\d\d:\d\d · [\d,]+ W/.test(document.getElementById("readout").textContent)`)
	b.do("escape", chromedp.KeyEvent(kb.Escape))
	b.await(`document.getElementById("readout").textContent.startsWith("highest ")`)
	// It stays down until the page has answered: what it showed goes again a while
	// after it was lifted.
	at := eval[[]float64](b, `(() => { const r = document.querySelector("#chart .u-over").getBoundingClientRect(); return [r.x + r.width * 0.7, r.y + r.height / 2]; })()`)
	b.do("a finger", finger(at...))
	b.await(`/^\d\d:\d\d · [\d,]+ W/.test(document.getElementById("readout").textContent)`)
	b.shoot("phone-dark-readout")
	b.do("the finger lifted", finger())
	b.await(`document.getElementById("readout").textContent.startsWith("highest ")`)
	b.clean()
}

// finger puts a finger on the page at x and y, or lifts it.
func finger(at ...float64) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		p := input.DispatchTouchEventParams{Type: input.DispatchTouchEventTypeTouchEnd, TouchPoints: []*input.TouchPoint{}}
		if len(at) == 2 {
			p.Type, p.TouchPoints = input.DispatchTouchEventTypeTouchStart, []*input.TouchPoint{{X: at[0], Y: at[1]}}
		}
		_, err := cdp.Call(ctx, t, input.DispatchTouchEvent, p)
		return err
	})
}

// TestTargetsAreLargeAndInkIsDark measures what a finger and an eye need: 44 px
// for everything that is pressed, and a contrast of 4.5 for text.
func TestTargetsAreLargeAndInkIsDark(t *testing.T) {
	h := newHouse(t)
	h.furnish()
	for _, scheme := range []string{"light", "dark"} {
		b := openBrowser(t, h.url, phone, scheme)
		b.signIn()
		for _, path := range []string{"/", "/devices", "/pair", "/more"} {
			b.do(path, chromedp.Navigate(h.url+path), chromedp.WaitVisible(`#main`))
			for _, small := range eval[[]string](b, `[...document.querySelectorAll("a:not(.skip):not(p a):not(.fine a), button, summary, input:not([type=hidden])")]
				.filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 44).map((e) => e.outerHTML)`) {
				t.Errorf("%s %s: lower than 44 px: %s", scheme, path, small)
			}
			for _, faint := range eval[[]string](b, contrastScript) {
				t.Errorf("%s %s: %s", scheme, path, faint)
			}
		}
		b.clean()
	}
}

// contrastScript lists the texts whose contrast with what is behind them is
// below 4.5 (WCAG 2.2, 1.4.3).
const contrastScript = `(() => {
	const rgb = (s) => s.match(/[\d.]+/g).map(Number);
	const lum = (c) => c.slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const c = rgb(getComputedStyle(e).backgroundColor);
			if (c.length === 3 || c[3] === 1) return c;
		}
		return [255, 255, 255];
	};
	const bad = [];
	for (const e of document.body.querySelectorAll("*")) {
		const text = [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join("");
		if (!text || !e.checkVisibility() || e.closest("script, noscript, svg, .unseen, .skip")) continue;
		const [a, b] = [lum(rgb(getComputedStyle(e).color)), lum(behind(e))];
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) bad.push("contrast " + ratio.toFixed(2) + ": " + text);
	}
	return bad;
})()`

// TestPageOutlivesTheGateway takes the gateway away under an open page and
// brings it back: the page says so, keeps its values, and recovers by itself.
func TestPageOutlivesTheGateway(t *testing.T) {
	h := newHouse(t)
	h.furnish()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	serve := func(l net.Listener) (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = h.serve(ctx, l, h.onLAN(false)) }()
		stop = sync.OnceFunc(func() { cancel(); <-done })
		t.Cleanup(stop)
		return stop
	}
	stop := serve(l)
	b := openBrowser(t, "http://"+addr, phone, "light")
	b.signIn()
	b.await(`document.getElementById("power").textContent === "342"`)
	stop()
	b.await(`document.getElementById("notice").innerText.includes("does not answer")`)
	if got := eval[string](b, `document.getElementById("power").textContent`); got != "342" {
		t.Errorf("the value while the gateway is away: got %q, want the last one, 342", got)
	}
	b.shoot("phone-light-lost")
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	serve(l)
	b.await(`document.getElementById("notice").hidden`)
	h.reads(`{"power":777,"energy":1234.6}`)
	b.await(`document.getElementById("power").textContent === "777"`)
	// Faults are expected here: requests failed while the gateway was away.
}

func TestEndedSessionLeadsToTheSignIn(t *testing.T) {
	h := newHouse(t)
	h.beat = 50 * time.Millisecond
	b := openBrowser(t, h.url, phone, "light")
	b.signIn()
	if err := Seed(h.o.Dir, owner, "a pot of coffee"); err != nil { // a reset ends all sessions
		t.Fatal(err)
	}
	b.await(`document.querySelector("input[name=password]") !== null`)
}
