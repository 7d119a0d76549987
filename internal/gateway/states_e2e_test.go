//go:build e2e

package gateway

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/smartcore-ireland/hems/internal/history"
)

// shown is an expression for what a person can read of an element.
func shown(selector string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(%q)].filter((e) => e.checkVisibility()).map((e) => e.textContent).join(" ")`, selector)
}

func TestTechnicalDetailOpensBeneath(t *testing.T) {
	h := newHouse(t)
	h.furnish()
	b := openBrowser(t, h.url, phone, "light")
	b.signIn()
	b.await(`document.getElementById("notice").hidden`)
	h.publish("hems/zigbee/health", `{"state":"failing","message":"the dongle is unplugged","hint":"plug it back in; readings resume by themselves",
		"detail":"there is no dongle at /dev/ttyACM0; plug the dongle in"}`, true)
	b.await(shown("[data-message]") + ` === "The dongle is unplugged."`)
	if got, want := eval[string](b, shown("[data-hint]")), "Plug it back in; readings resume by themselves."; got != want {
		t.Errorf("what to do: got %q, want %q", got, want)
	}
	if got := eval[string](b, shown("[data-detail]")); got != "" {
		t.Errorf("before it was opened, the detail says %q", got)
	}
	if got := eval[float64](b, `document.querySelector("#technical summary").getBoundingClientRect().height`); got < 44 {
		t.Errorf("what opens it is %g px high, want 44", got)
	}
	b.do("opening it", chromedp.Click(`#technical summary`))
	b.await(shown("[data-detail]") + `.includes("/dev/ttyACM0")`)
	b.fits()
	b.shoot("phone-light-detail")
	h.publish("hems/zigbee/health", `{"state":"failing","message":"it is something else","hint":"wait"}`, true)
	b.await(`!document.getElementById("technical").checkVisibility()`)
	b.clean()
}

func TestPairingSaysWhenItCannotListen(t *testing.T) {
	h := newHouse(t)
	h.well()
	b := openBrowser(t, h.url, phone, "light")
	b.signIn()
	h.publish("hems/zigbee/health", `{"state":"failing","message":"the dongle is unplugged","hint":"plug it back in"}`, true)
	b.do("to the pairing", chromedp.Navigate(h.url+"/pair"), chromedp.WaitVisible(`main.pair`))
	b.await(`!document.getElementById("notice").hidden`)
	b.do("asking", chromedp.Click(`button[value=start]`))
	b.await(shown("[role=alert]") + `.includes("cannot listen just now")`)
	b.do("letting the stream come", chromedp.Sleep(time.Second))
	if got := eval[string](b, shown("[role=alert]")); got == "" {
		t.Error("the list that the stream sent has wiped the answer out")
	}
	b.shoot("phone-light-pair-cannot")
	h.well()
	b.await(shown("[role=alert]") + ` === ""`)
	// The 503 is expected among the faults here.
}

func TestStepsOfAPairingLeaveTheFocus(t *testing.T) {
	h := newHouse(t)
	h.well()
	b := openBrowser(t, h.url, phone, "light")
	b.signIn()
	h.publish("zigbee2mqtt/bridge/info", fmt.Sprintf(`{"permit_join":true,"permit_join_end":%d}`, time.Now().Add(200*time.Second).UnixMilli()), true)
	b.do("to the pairing", chromedp.Navigate(h.url+"/pair"), chromedp.WaitVisible(`button[value=stop]`))
	b.do("the focus", chromedp.Focus(`button[value=stop]`))
	h.step("joined", true, 0, "")
	b.await(`document.querySelectorAll(".steps [data-state=done]").length === 1`)
	if got := eval[string](b, `document.activeElement.value ?? document.activeElement.tagName`); got != "stop" {
		t.Errorf("after a step the focus is on %q, want the button it was on", got)
	}
	if got, want := eval[string](b, `document.querySelector("section h2").textContent`), "New device"; got != want {
		t.Errorf("a device without a name: got %q, want %q", got, want)
	}
	b.clean()
}

// TestHalfAPhoneWide holds the smallest phone: nothing is cut off or scrolls
// sideways, however long a device's name.
func TestHalfAPhoneWide(t *testing.T) {
	h := newHouse(t)
	h.furnish()
	const name = "frient_blink_counter_in_the_utility_room_behind_the_stairs_of_the_extension"
	h.publish("zigbee2mqtt/bridge/devices", `[{"ieee_address":"`+meterIEEE+`","friendly_name":"`+name+`","type":"EndDevice"}]`, true)
	b := openBrowser(t, h.url, screen{"small", 320, 568, true}, "light")
	b.signIn()
	b.await(`document.getElementById("readout").textContent.startsWith("highest ")`)
	if cut := eval[bool](b, `(() => { const e = document.getElementById("readout"); return e.scrollWidth > e.clientWidth; })()`); cut {
		t.Errorf("the line above the curve is cut off: %q", eval[string](b, shown("#readout")))
	}
	b.fits()
	b.shoot("small-light-now")
	for _, path := range []string{"/devices", "/pair", "/more"} {
		b.do(path, chromedp.Navigate(h.url+path), chromedp.WaitVisible(`#main`))
		b.fits()
	}
	b.clean()
}

// TestTimesAreTheHomes sets a browser far from the home: every time is the
// home's, and none lies ahead, however few the readings.
func TestTimesAreTheHomes(t *testing.T) {
	zone, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, func(o *Options) { o.Home.TimeZone = zone })
	now := time.Now()
	h.past.points = []history.Point{{Time: now.Truncate(5 * time.Minute), Min: 200, Mean: 210, Max: 235, N: 2}}
	h.well()
	h.pair()
	h.await(h.signedIn(), "/api/v1/devices", "EMIZB-141")
	h.reads(`{"power":230,"energy":1234.567,"linkquality":134,"battery":89}`)
	b := openBrowser(t, h.url, phone, "light")
	if err := call(b.ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "America/New_York"}); err != nil {
		t.Fatal(err)
	}
	b.signIn()
	b.await(`document.getElementById("readout").textContent.startsWith("highest 235 W at ")`)
	said := eval[string](b, `document.getElementById("readout").textContent.slice(-5)`)
	ahead := true
	for at := now.Truncate(5 * time.Minute); !at.After(time.Now()); at = at.Add(time.Second) {
		ahead = ahead && at.In(zone).Format("15:04") != said
	}
	if ahead {
		t.Errorf("the highest: got at %s, want between %s and now, in the home's time", said, now.Truncate(5*time.Minute).In(zone).Format("15:04"))
	}
	b.do("settling", chromedp.Sleep(300*time.Millisecond))
	b.shoot("phone-light-first-minute")
	h.publish(meterTopic+"/availability", "offline", true)
	b.await(`/^no reading since \d\d:\d\d$/.test(document.getElementById("age").textContent)`)
	since := eval[string](b, `document.getElementById("age").textContent.slice(-5)`)
	if got, want := since, now.In(zone).Format("15:04"); got != want && got != now.Add(time.Minute).In(zone).Format("15:04") {
		t.Errorf("no reading since: got %s, want %s", got, want)
	}
	b.clean()
}

// TestSilentLineIsNoticed stops the bytes between page and gateway without
// closing anything, as a phone's Wi-Fi does: the page says so, and recovers.
func TestSilentLineIsNoticed(t *testing.T) {
	h := newHouse(t)
	h.beat = 500 * time.Millisecond
	h.furnish()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var line sync.RWMutex // held while nothing passes
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
			if err != nil {
				in.Close()
				continue
			}
			pass := func(to, from net.Conn) {
				defer to.Close()
				buf := make([]byte, 32<<10)
				for {
					n, err := from.Read(buf)
					line.RLock()
					_, _ = to.Write(buf[:n])
					line.RUnlock()
					if err != nil {
						return
					}
				}
			}
			go pass(in, out)
			go pass(out, in)
		}
	}()
	b := openBrowser(t, "http://"+l.Addr().String(), phone, "light")
	b.signIn()
	b.await(`document.getElementById("power").textContent === "342"`)
	b.await(`document.getElementById("notice").hidden`)
	line.Lock()
	b.await(shown("[data-message]") + `.includes("does not answer")`)
	line.Unlock()
	b.await(`document.getElementById("notice").hidden`)
	h.reads(`{"power":777,"energy":1234.6}`)
	b.await(`document.getElementById("power").textContent === "777"`)
	b.clean()
}
