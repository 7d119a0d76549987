//go:build e2e

package gateway

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/client/clienttest"
	"github.com/smartcore-ireland/hems/internal/gateway/signin"
)

// choose puts a file of size bytes into a form.
func (b *browser) choose(selector string, size int64) {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "hems-1.2.0.hems")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		b.t.Fatal(err)
	}
	found, err := chromedp.Call(b.ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: `document.querySelector(` + "`" + selector + "`" + `)`})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := call(b.ctx, dom.SetFileInputFiles, dom.SetFileInputFilesParams{Files: []string{path}, ObjectID: found.Result.ObjectID}); err != nil {
		b.t.Fatal(err)
	}
}

// expected forgets a fault that a test brought about: a refusal, a restart.
func (b *browser) expected(words ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var left []string
	for _, f := range b.faults {
		known := false
		for _, w := range words {
			known = known || strings.Contains(f, w)
		}
		if !known {
			left = append(left, f)
		}
	}
	b.faults = left
}

func TestClaimInABrowser(t *testing.T) {
	for _, s := range []screen{phone, desktop} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(s.name+"/"+scheme, func(t *testing.T) {
				h := newUnclaimed(t)
				b := openBrowser(t, h.url, s, scheme)
				b.do("any page", chromedp.Navigate(h.url+"/devices"), chromedp.WaitVisible(`main.claim form`), chromedp.WaitVisible(`#show`))
				b.fits()
				b.shoot(s.name + "-" + scheme + "-claim")
				if eval[bool](b, `document.getElementById("again") !== null`) {
					t.Error("a password that can be shown is asked for twice")
				}
				b.do("a short password", chromedp.SendKeys(`#password`, "a pot of coffee"), chromedp.Click(`#show`))
				if got := eval[string](b, `document.getElementById("password").type`); got != "text" {
					t.Errorf("the password after Show: got %s, want text", got)
				}
				b.do("making it mine", chromedp.Click(`button.main`), chromedp.WaitVisible(`main.now`))
				h.asked("POST /v1/claimed")
				b.do("the claim page afterwards", chromedp.Navigate(h.url+"/claim"), chromedp.WaitVisible(`main.now`))
				b.clean()
			})
		}
	}
	for name, claims := range map[string]func(*signin.Claims){
		"late":      func(c *signin.Claims) { c.SinceBoot = func() time.Duration { return time.Hour } },
		"elsewhere": func(c *signin.Claims) { c.Loopback = false },
		"code": func(c *signin.Claims) {
			if err := os.WriteFile(c.CodeFile, []byte("K7QM-2XWP"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newUnclaimed(t, claims)
			b := openBrowser(t, h.url, phone, "light")
			b.do("the page", chromedp.Navigate(h.url+"/"), chromedp.WaitVisible(`main.claim`))
			b.fits()
			b.shoot("phone-light-claim-" + name)
			if name == "code" {
				b.do("a wrong code", chromedp.SendKeys(`#code`, "K7QM-2XWQ"), chromedp.SendKeys(`#password`, "a pot of coffee"),
					chromedp.Click(`button.main`), chromedp.WaitVisible(`#error`))
				b.await(shown("#error") + `.includes("not the code")`)
				b.expected("403")
			}
			b.clean()
		})
	}
}

func TestSystemPagesInABrowser(t *testing.T) {
	for _, s := range []screen{phone, desktop} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(s.name+"/"+scheme, func(t *testing.T) {
				h := newHouse(t)
				h.furnish()
				b := openBrowser(t, h.url, s, scheme)
				b.signIn()
				b.do("More", chromedp.Navigate(h.url+"/more"), chromedp.WaitVisible(`main.more`))
				b.fits()
				b.shoot(s.name + "-" + scheme + "-more")
				for _, name := range []string{"", "/update", "/backup", "/logs", "/config"} {
					b.do("the page "+name, chromedp.Navigate(h.url+"/system"+name), chromedp.WaitVisible(`main.more h1`))
					b.fits()
					b.do("settling", chromedp.Sleep(200*time.Millisecond))
					b.shoot(s.name + "-" + scheme + "-system" + strings.ReplaceAll(name, "/", "-"))
					if low := eval[string](b, `[...document.querySelectorAll("main button, main summary, main select, main a.button, main .line, main .ways a, main .tick")].filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 44).map((e) => e.outerHTML).join(" ")`); low != "" {
						t.Errorf("%s: less than 44 px high: %s", name, low)
					}
				}
				h.manager.Fails()
				b.do("the state", chromedp.Navigate(h.url+"/system"), chromedp.WaitVisible(`main.system`))
				b.await(`document.getElementById("list").innerText.includes("The card cannot be written.")`)
				b.await(`document.querySelector("#notice [data-message]").innerText.includes("The card cannot be written.")`)
				b.fits()
				b.shoot(s.name + "-" + scheme + "-system-failing")
				h.manager.Well()
				b.await(`document.getElementById("list").innerText.includes("Everything is well")`)
				b.clean()
			})
		}
	}
}

func TestUpdateInABrowser(t *testing.T) {
	h := newHouse(t)
	h.furnish()
	b := openBrowser(t, h.url, phone, "light")
	b.signIn()
	b.do("the page", chromedp.Navigate(h.url+"/system/update"), chromedp.WaitVisible(`#send button.main`))

	h.manager.Refuses("POST /v1/update", http.StatusUnprocessableEntity, "signature", "the update is signed by nobody this appliance knows", "take an update from whoever makes this appliance's")
	b.choose("input[name=bundle]", 5<<20)
	b.do("sending", chromedp.Click(`#send button.main`))
	b.await(shown("#sent-problem") + `.includes("The update is signed by nobody this appliance knows.")`)
	if got := eval[string](b, shown("#sent-problem")); !strings.Contains(got, "Take an update from whoever makes this appliance's.") {
		t.Errorf("a refusal: got %q, want what to do about it", got)
	}
	if got := len(h.manager.Body("POST /v1/update")); got != 5<<20 {
		t.Errorf("the upload: got %d bytes, want %d", got, 5<<20)
	}
	b.fits()
	b.shoot("phone-light-update-refused")
	b.expected("422")

	h.manager.Lock()
	delete(h.manager.Refuse, "POST /v1/update")
	h.manager.Update = client.Update{Phase: client.Verifying, Version: "1.2.0", Progress: 0.4}
	h.manager.Unlock()
	b.do("older as well", chromedp.Click(`#send .tick`), chromedp.Click(`#send button.main`))
	b.await(`document.querySelectorAll(".steps [data-state=doing]").length === 1`)
	h.asked("POST /v1/update?older=1")
	b.await(`document.querySelector(".steps [data-state=doing]").innerText.includes("40 %")`)
	h.manager.Set(client.Update{Phase: client.Writing, Version: "1.2.0", Progress: 0.7})
	b.await(`document.querySelectorAll(".steps [data-state=done]").length === 2`)
	b.fits()
	b.shoot("phone-light-update-writing")

	h.manager.Set(client.Update{Phase: client.Restarting, Version: "1.2.0"})
	h.manager.Stop()
	b.do("being away", chromedp.Sleep(3*time.Second))
	h.manager.Set(client.Update{Phase: client.Trying, Version: "1.2.0"})
	h.manager.Resume()
	b.await(`document.querySelectorAll(".steps [data-state=done]").length === 4`)
	h.manager.Set(client.Update{Phase: client.Idle, Verdict: &client.Verdict{Result: client.Returned, Version: "1.2.0", From: "1.1.0", To: "1.1.0", At: clienttest.At, Why: "the broker did not answer"}})
	b.await(shown(".verdict") + `.includes("The update to 1.2.0 was tried and did not work: the broker did not answer.")`)
	if got := eval[string](b, shown(".verdict")); !strings.Contains(got, "Your appliance runs 1.1.0 as before.") {
		t.Errorf("the verdict: got %q", got)
	}
	b.fits()
	b.shoot("phone-light-update-returned")
	b.do("elsewhere", chromedp.Navigate(h.url+"/"), chromedp.WaitVisible(`.verdict`))
	b.shoot("phone-light-now-verdict")
	b.do("having read it", chromedp.Click(`.verdict button`), chromedp.WaitVisible(`main.now`))
	b.await(`document.querySelector(".verdict") === null`)
	b.do("after a while", chromedp.Navigate(h.url+"/devices"), chromedp.WaitVisible(`main.devices`))
	if eval[bool](b, `document.querySelector(".verdict") !== null`) {
		t.Error("the verdict is shown after it was read")
	}
	b.expected("503")
	b.clean()
}
