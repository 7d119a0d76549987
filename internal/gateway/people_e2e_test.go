//go:build e2e

package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/smartcore-ireland/hems/internal/gateway/signin"
	"github.com/smartcore-ireland/hems/internal/remote"
)

// trusting are the flags of a browser that has the appliance's certificate, and
// finds it under its name. With a certificate that it only puts up with, there are
// no passkeys.
func (s *secureHouse) trusting() []chromedp.ExecAllocatorOption {
	s.t.Helper()
	c, err := tls.Dial("tcp", strings.TrimPrefix(s.tls, "https://"), &tls.Config{RootCAs: s.roots})
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	key, err := x509.MarshalPKIXPublicKey(c.ConnectionState().PeerCertificates[0].PublicKey)
	if err != nil {
		s.t.Fatal(err)
	}
	sum := sha256.Sum256(key)
	return []chromedp.ExecAllocatorOption{
		chromedp.Flag("host-resolver-rules", "MAP hems.local 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(sum[:])),
	}
}

// named is an address under the appliance's name.
func named(url string) string { return strings.Replace(url, "localhost", "hems.local", 1) }

// onFunnel is the house as it is reached from the internet.
func (s *secureHouse) onFunnel() string {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	door := s.onLAN(true)
	door.Way = remote.Funnel
	door.Arrive = func(c net.Conn) remote.Arrival {
		return remote.Arrival{Way: remote.Funnel, Address: remote.AddressOf(c.RemoteAddr()), Secure: true}
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.serve(ctx, l, door) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			s.t.Errorf("serving: %v", err)
		}
	})
	return fmt.Sprintf("https://hems.local:%d", l.Addr().(*net.TCPAddr).Port)
}

// TestPasskeysInABrowser makes one, signs in with it without a name, and on Funnel
// beside the password; with a device that somebody holds and a finger on it, as far
// as the browser knows.
func TestPasskeysInABrowser(t *testing.T) {
	s := newSecureHouse(t)
	s.well()
	funnel := s.onFunnel()
	b := openBrowser(t, named(s.tls), phone, "light", s.trusting()...)
	if err := call(b.ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}}); err != nil {
		t.Fatal(err)
	}
	b.signIn()
	b.do("my page", chromedp.Navigate(b.url+"/people/me"), chromedp.WaitVisible(`#passkey`))
	b.fits()
	b.do("making one", chromedp.SendKeys(`#passkey-name`, "My <phone>"), chromedp.Click(`#passkey`))
	b.await(`document.readyState === "complete" && document.querySelector("[aria-labelledby=passkeys-label]").innerText.includes("at hems.local")`)
	if got := s.passkeys.Of(owner); len(got) != 1 || got[0].Name != "My <phone>" {
		t.Fatalf("got %+v, want one passkey", got)
	}
	b.shoot("phone-light-me")

	b.do("signing out", chromedp.Navigate(b.url+"/more"), chromedp.Click(`form[action="/logout"] button`), chromedp.WaitVisible(`#passkey`))
	b.shoot("phone-light-login-passkey")
	b.do("signing in with it", chromedp.Click(`#passkey`), chromedp.WaitVisible(`main.now`))
	if got := s.door.Sessions(owner); len(got) != 1 || got[0].Proof != signin.ByPasskey {
		t.Errorf("sessions: got %+v, want one by passkey", got)
	}

	// From the internet that session is not enough, nor is a password.
	b.do("from the internet", chromedp.Navigate(funnel+"/"), chromedp.WaitVisible(`input[name=user]`))
	if eval[bool](b, `document.getElementById("passkey") !== null`) {
		t.Error("the passkey comes before the password")
	}
	b.do("the password", chromedp.SendKeys(`input[name=user]`, owner), chromedp.SendKeys(`input[name=password]`, password), chromedp.Click(`button.main`), chromedp.WaitVisible(`#passkey`))
	b.shoot("phone-light-login-second")
	b.do("the passkey", chromedp.Click(`#passkey`), chromedp.WaitVisible(`main.now`))
	if got := s.door.Sessions(owner); len(got) != 1 || got[0].Proof != signin.ByBoth || got[0].Way != string(remote.Funnel) {
		t.Errorf("sessions: got %+v, want one by both, from the internet", got)
	}
	for _, faint := range eval[[]string](b, contrastScript) {
		t.Error(faint)
	}
	b.clean()
}

// TestPeoplePages invites somebody, who comes in by the link, in each look.
func TestPeoplePages(t *testing.T) {
	for _, c := range []struct {
		screen screen
		scheme string
	}{{phone, "light"}, {phone, "dark"}, {desktop, "light"}, {desktop, "dark"}} {
		t.Run(c.screen.name+"-"+c.scheme, func(t *testing.T) {
			h := newHouse(t)
			h.well()
			b := openBrowser(t, h.url, c.screen, c.scheme)
			look := func(name string) {
				t.Helper()
				b.fits()
				b.shoot(c.screen.name + "-" + c.scheme + "-" + name)
				for _, faint := range eval[[]string](b, contrastScript) {
					t.Error(name + ": " + faint)
				}
			}
			b.signIn()
			b.do("people", chromedp.Navigate(h.url+"/people"), chromedp.WaitVisible(`#person-name`))
			look("people")
			b.do("inviting", chromedp.SendKeys(`#person-name`, "Niamh"), chromedp.Click(`form[action="/people"] button`), chromedp.WaitVisible(`svg.qr`))
			look("people-invited")
			link := eval[string](b, `document.querySelector(".address").textContent`)
			b.do("one's own page", chromedp.Navigate(h.url+"/people/me"), chromedp.WaitVisible(`#old`))
			look("people-me")
			b.do("the link", chromedp.Navigate(link), chromedp.WaitVisible(`#password`))
			look("invitation")
			b.do("a password", chromedp.SendKeys(`#password`, password), chromedp.Click(`button.main`), chromedp.WaitVisible(`main.now`))
			if got := h.door.Sessions("niamh"); len(got) != 1 {
				t.Errorf("sessions of Niamh: got %+v, want one", got)
			}
			b.do("what is an owner's", chromedp.Navigate(h.url+"/more"), chromedp.WaitVisible(`main.more`))
			if eval[bool](b, `document.querySelector("a[href='/people']") !== null`) {
				t.Error("a member is shown what only owners may")
			}
			b.clean()
		})
	}
}
