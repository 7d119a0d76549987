package gateway

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"rsc.io/qr"
)

const (
	linkTime = time.Hour        // a link to the certificate is good for that long
	linkRest = 20 * time.Minute // one that is good for less is not shown any more
	maxLinks = 16
)

// links are the addresses at which a phone gets the authority's certificate
// without signing in: whoever is signed in shows one to it, as a picture.
type links struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// give returns a link's secret.
func (l *links) give(now time.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.until == nil {
		l.until = map[string]time.Time{}
	}
	oldest := ""
	for s, until := range l.until {
		switch {
		case until.Before(now):
			delete(l.until, s)
		case until.Sub(now) > linkRest:
			return s
		case oldest == "" || until.Before(l.until[oldest]):
			oldest = s
		}
	}
	if len(l.until) >= maxLinks {
		delete(l.until, oldest)
	}
	b := make([]byte, 16)
	rand.Read(b)
	s := base64.RawURLEncoding.EncodeToString(b)
	l.until[s] = now.Add(linkTime)
	return s
}

// good says whether somebody was given that link.
func (l *links) good(s string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, ok := l.until[s]
	return ok && now.Before(until)
}

// authority is the certificate that people put on their phones.
type authority struct {
	cert *x509.Certificate
	pem  []byte
}

// readAuthority reads it anew each time: it is made again when the appliance's
// name or network changes.
func (g *Gateway) readAuthority() (authority, error) {
	if g.o.Authority == "" {
		return authority{}, errors.New("this appliance has no certificate authority")
	}
	b, err := os.ReadFile(g.o.Authority)
	if err != nil {
		return authority{}, err
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" {
		return authority{}, fmt.Errorf("%s: there is no certificate in it", g.o.Authority)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return authority{}, err
	}
	return authority{c, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})}, nil
}

// fingerprint is the certificate's SHA-256, as phones show it.
func (a authority) fingerprint() string {
	sum := sha256.Sum256(a.cert.Raw)
	var parts []string
	for _, b := range sum {
		parts = append(parts, strings.ToUpper(hex.EncodeToString([]byte{b})))
	}
	return strings.Join(parts, " ")
}

// The files in which the certificate is given away.
const (
	crtFile     = "hems-ca.crt"
	profileFile = "hems-ca.mobileconfig"
)

// httpsBody is the page about the connection: whether it is encrypted, and how
// this phone or another comes to that.
type httpsBody struct {
	Problem     *problem
	Secure      bool
	Host        string
	Better      string // where this page is over TLS; empty: it is, or cannot be
	Files       string // the address of the files, up to their names
	Link        string // for a phone, as text
	Code        template.HTML
	Until       string
	Fingerprint string
	Name        string // of the certificate, in lists of certificates
	Phone       bool   // it is the page that the link leads to
}

func (g *Gateway) httpsPage(w http.ResponseWriter, r *http.Request) {
	b := httpsBody{Secure: encrypted(r), Host: hostOf(r), Better: g.betterOrigin(r), Files: "/system/https/"}
	status := http.StatusOK
	a, err := g.readAuthority()
	if err != nil {
		g.log.Warn("the authority's certificate cannot be read", "err", err)
		status = http.StatusServiceUnavailable
		b.Problem = &problem{"The appliance’s certificate is not there yet.", "It is made within a minute of the first start. Load this page again; if this stays, look at the logs."}
	} else {
		b.Fingerprint, b.Name = a.fingerprint(), a.cert.Subject.CommonName
		b.Link, b.Code, err = g.link(r)
		if err != nil {
			g.log.Error("drawing a code", "err", err)
		}
		b.Until = g.o.Clock().Add(linkRest).In(g.o.Home.TimeZone).Format("15:04")
	}
	g.show(w, r, status, "https.html", g.page(r, "https", "Secure connection", b))
}

// link is the address that a phone opens to get the certificate, as text and as a
// picture. It is a plain one: over TLS the phone would warn of what it is to get.
func (g *Gateway) link(r *http.Request) (string, template.HTML, error) {
	origin := g.origin(r, false)
	if origin == "" {
		return "", "", nil
	}
	to := origin + "/trust/" + g.links.give(g.o.Clock())
	code, err := qrSVG(to)
	return to, code, err
}

// qrSVG draws a code, dark on light whatever the page is: many cameras read no
// other.
func qrSVG(text string) (template.HTML, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", err
	}
	const quiet = 4 // modules around it
	n := code.Size + 2*quiet
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; {
			run := x
			for run < code.Size && code.Black(run, y) {
				run++
			}
			if run > x {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run-x, run-x)
				x = run
			} else {
				x++
			}
		}
	}
	return template.HTML(fmt.Sprintf(`<svg class="qr" viewBox="0 0 %d %d" role="img" aria-label="Code with the address for a phone" shape-rendering="crispEdges"><rect class="light" width="%d" height="%d"/><path class="dark" d="%s"/></svg>`,
		n, n, n, n, path.String())), nil
}

func (g *Gateway) authorityFile(w http.ResponseWriter, r *http.Request) {
	g.giveAuthority(w, r, r.PathValue("file"))
}

// trustPage is what a phone gets for the link.
func (g *Gateway) trustPage(w http.ResponseWriter, r *http.Request) {
	if !g.links.good(r.PathValue("link"), g.o.Clock()) {
		g.turnAway(w, r, forSignedIn)
		return
	}
	private(w)
	b := httpsBody{Secure: encrypted(r), Host: hostOf(r), Better: g.origin(r, true), Files: "/trust/" + r.PathValue("link") + "/", Phone: true}
	status := http.StatusOK
	if a, err := g.readAuthority(); err != nil {
		status = http.StatusServiceUnavailable
		b.Problem = &problem{"The appliance’s certificate is not there yet.", "Try again in a minute."}
	} else {
		b.Fingerprint, b.Name = a.fingerprint(), a.cert.Subject.CommonName
	}
	g.show(w, r, status, "trust.html", g.page(r, "", "Secure connection", b))
}

func (g *Gateway) trustFile(w http.ResponseWriter, r *http.Request) {
	if !g.links.good(r.PathValue("link"), g.o.Clock()) {
		g.turnAway(w, r, forSignedIn)
		return
	}
	g.giveAuthority(w, r, r.PathValue("file"))
}

func (g *Gateway) giveAuthority(w http.ResponseWriter, r *http.Request, file string) {
	private(w)
	a, err := g.readAuthority()
	var body []byte
	kind := ""
	switch {
	case err != nil:
		http.Error(w, "the certificate is not there yet; try again in a minute", http.StatusServiceUnavailable)
		return
	case file == crtFile:
		kind, body = "application/x-x509-ca-cert", a.pem
	case file == profileFile:
		kind, body = "application/x-apple-aspen-config", profile(a, g.o.Home.Name)
	default:
		http.Error(w, "there is no such file; go back to the page before", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+file+`"`)
	_, _ = w.Write(body) // the visitor has gone
}

// profile is a configuration profile for iOS and macOS with the certificate in it.
// Its identifiers follow from the certificate, so that one of a new certificate
// stands beside the old one and the same one replaces itself.
func profile(a authority, home string) []byte {
	id := func(what string) string {
		sum := sha1.Sum(append([]byte(what), a.cert.Raw...)) // a name, as UUIDs of version 5 are
		sum[6], sum[8] = sum[6]&0x0f|0x50, sum[8]&0x3f|0x80
		return strings.ToUpper(fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16]))
	}
	text := func(s string) string {
		var b bytes.Buffer
		_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
		return b.String()
	}
	inner, outer := id("certificate"), id("profile")
	return []byte(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>PayloadType</key><string>Configuration</string>
<key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>ie.smartcore.hems.` + outer + `</string>
<key>PayloadUUID</key><string>` + outer + `</string>
<key>PayloadDisplayName</key><string>` + text(a.cert.Subject.CommonName) + `</string>
<key>PayloadDescription</key><string>` + text("Lets this device trust the energy appliance of "+home+", and nothing else.") + `</string>
<key>PayloadContent</key><array><dict>
<key>PayloadType</key><string>com.apple.security.root</string>
<key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>ie.smartcore.hems.` + inner + `</string>
<key>PayloadUUID</key><string>` + inner + `</string>
<key>PayloadDisplayName</key><string>` + text(a.cert.Subject.CommonName) + `</string>
<key>PayloadCertificateFileName</key><string>` + crtFile + `</string>
<key>PayloadContent</key><data>` + base64.StdEncoding.EncodeToString(a.cert.Raw) + `</data>
</dict></array>
</dict></plist>
`)
}
