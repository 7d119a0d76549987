package gateway

import (
	"net/http"
	"strings"
)

// access says who may use a route.
type access int

const (
	forEveryone access = iota // before sign-in: the sign-in page, its files, the health check
	forSignedIn               // a session
	forPrograms               // a session, or the account's name and password with the request
)

func (a access) String() string {
	return [...]string{"everyone", "signed in", "programs"}[a]
}

// A route is one row of the table below.
type route struct {
	pattern string // of net/http's ServeMux: method and path
	access  access
	handle  http.HandlerFunc
}

// routes is every answer this server gives. What is not here is unknown, and a
// stranger cannot tell an unknown path from one that needs sign-in.
func (g *Gateway) routes() []route {
	return []route{
		{"GET /login", forEveryone, g.loginPage},
		{"POST /login", forEveryone, g.login},
		{"GET /static/{name}", forEveryone, g.files.serveStatic}, // styles and icons
		{"GET /healthz", forEveryone, g.healthz},

		{"GET /{$}", forSignedIn, g.nowPage},
		{"GET /devices", forSignedIn, g.devicesPage},
		{"GET /pair", forSignedIn, g.pairPage},
		{"POST /pair", forSignedIn, g.permit},
		{"GET /more", forSignedIn, g.morePage},
		{"POST /theme", forSignedIn, g.setTheme},
		{"POST /logout", forSignedIn, g.logout},
		{"GET /script/{name}", forSignedIn, g.files.serveScript},

		{"GET /events", forPrograms, g.events},
		{"GET /api/v1/now", forPrograms, g.apiNow},
		{"GET /api/v1/power", forPrograms, g.apiPower},
		{"GET /api/v1/devices", forPrograms, g.apiDevices},
	}
}

// maxBody is more than any form of these pages needs.
const maxBody = 8 << 10

// build puts the table behind the guards.
func (g *Gateway) build() http.Handler {
	mux := http.NewServeMux()
	byPattern := map[string]access{}
	for _, r := range g.routes() {
		mux.Handle(r.pattern, r.handle)
		byPattern[r.pattern] = r.access
	}
	mux.HandleFunc("/", g.unknown)
	byPattern["/"] = forSignedIn

	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux answers for a wrong method and an unclean path itself, with an
		// empty pattern: those need a session like everything unknown.
		_, pattern := mux.Handler(r)
		who, known := byPattern[pattern]
		if !known {
			who = forSignedIn
		}
		if strings.HasPrefix(r.URL.Path, "/api/") && who == forSignedIn {
			who = forPrograms // an unknown one answers like a known one
		}
		if who == forEveryone {
			mux.ServeHTTP(w, r)
			return
		}
		v, ok := g.visitor(w, r, who)
		if !ok {
			return
		}
		private(w)
		mux.ServeHTTP(w, r.WithContext(withVisitor(r.Context(), v)))
	})

	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "this request came from another site", http.StatusForbidden)
	}))
	guarded := crossOrigin.Handler(inner)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		guarded.ServeHTTP(w, r)
	})
}

// secure sets what every answer carries. Everything comes from this origin;
// nothing inline runs, nothing frames these pages, nothing learns where a
// visitor came from.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
		"connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// private keeps an answer out of every cache; static files overrule it.
func private(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }
