package gateway

import (
	"context"
	"net/http"
	"strings"
)

// access says who may use a route.
type access int

const (
	forEveryone access = iota // before sign-in: the sign-in page, its files, the health check
	forLink                   // a link that somebody who is signed in handed out; its handler knows whether it is one
	forSignedIn               // a session
	forPrograms               // a session, or the account's name and password with the request
)

func (a access) String() string {
	return [...]string{"everyone", "link", "signed in", "programs"}[a]
}

// A route is one row of the table below.
type route struct {
	pattern string // of net/http's ServeMux: method and path
	access  access
	handle  http.HandlerFunc
	load    load
}

// load is what a request may take of the appliance.
type load struct {
	body int64 // bytes
	slow bool  // as long as something moves, instead of the server's time limits
}

// small is a question, or a form of these pages.
var small = load{body: 8 << 10}

type loadKey struct{}

func withLoad(ctx context.Context, l load) context.Context {
	return context.WithValue(ctx, loadKey{}, l)
}

// loadOf is what the table allows a request of a visitor who is known.
func loadOf(r *http.Request) load {
	l, _ := r.Context().Value(loadKey{}).(load)
	return l
}

// The manager's larger ones.
var (
	unhurried     = load{body: small.body, slow: true} // an answer that takes its time
	document      = load{body: 1 << 20}
	foreign       = load{body: 16 << 20, slow: true} // a zigbee network of another program
	meterFileLoad = load{body: 32 << 20, slow: true} // of ESB Networks
	bundle        = load{body: 512 << 20, slow: true}
	archive       = load{body: 2 << 30, slow: true}
)

// routes is every answer this server gives. What is not here is unknown, and a
// stranger cannot tell an unknown path from one that needs sign-in.
func (g *Gateway) routes() []route {
	return []route{
		{"GET /login", forEveryone, g.loginPage, small},
		{"POST /login", forEveryone, g.login, small},
		{"GET /claim", forEveryone, g.claimPage, small}, // until there is an owner
		{"POST /claim", forEveryone, g.claim, small},
		{"GET /static/{name}", forEveryone, g.files.serveStatic, small}, // styles and icons
		{"GET /healthz", forEveryone, g.healthz, small},

		{"GET /trust/{link}", forLink, g.trustPage, small},
		{"GET /trust/{link}/{file}", forLink, g.trustFile, small},

		{"GET /{$}", forSignedIn, g.nowPage, small},
		{"GET /devices", forSignedIn, g.devicesPage, small},
		{"GET /pair", forSignedIn, g.pairPage, small},
		{"POST /pair", forSignedIn, g.permit, small},
		{"GET /more", forSignedIn, g.morePage, small},
		{"POST /theme", forSignedIn, g.setTheme, small},
		{"POST /logout", forSignedIn, g.logout, small},
		{"GET /script/{name}", forSignedIn, g.files.serveScript, small},

		{"GET /system", forSignedIn, g.systemPage, small},
		{"GET /system/update", forSignedIn, g.updatePage, small},
		{"POST /system/update", forSignedIn, g.sendUpdate, bundle},
		{"POST /system/update/seen", forSignedIn, g.seenVerdict, small},
		{"POST /system/update/check", forSignedIn, g.checkFeed, unhurried},
		{"POST /system/update/install", forSignedIn, g.installAvailable, unhurried},
		{"POST /system/update/back", forSignedIn, g.goBack, unhurried},
		{"POST /system/update/feed", forSignedIn, g.setFeed, small},
		{"POST /system/update/developer", forSignedIn, g.setDeveloper, small},
		{"POST /system/update/password", forSignedIn, g.updatePassword, small},
		{"GET /system/destinations", forSignedIn, g.destinationsPage, small},
		{"GET /system/destinations/{name}", forSignedIn, g.asidePage, small},
		{"POST /system/destinations/resend", forSignedIn, g.resend, small},
		{"POST /system/destinations/aside", forSignedIn, g.resendAside, small},
		{"GET /ledger", forSignedIn, g.ledgerPage, small},
		{"POST /ledger", forSignedIn, g.takeMeterFile, meterFileLoad},
		{"GET /ledger/export", forSignedIn, g.exportLedger, unhurried},
		{"GET /system/backup", forSignedIn, g.backupPage, small},
		{"POST /system/backup", forSignedIn, g.makeBackup, unhurried},
		{"POST /system/restore", forSignedIn, g.restore, archive},
		{"GET /system/logs", forSignedIn, g.logsPage, small},
		{"GET /system/diagnostics", forSignedIn, g.diagnostics, unhurried},
		{"GET /system/config", forSignedIn, g.configPage, small},
		{"POST /system/config/restore", forSignedIn, g.restoreConfig, small},
		{"POST /system/restart", forSignedIn, g.restart, small},
		{"GET /system/https", forSignedIn, g.httpsPage, small},
		{"GET /system/https/{file}", forSignedIn, g.authorityFile, small},
		{"GET /system/home-assistant", forSignedIn, g.homeAssistantPage, small},
		{"POST /system/home-assistant", forSignedIn, g.setHomeAssistant, small},

		{"GET /events", forPrograms, g.events, small},
		{"GET /api/v1/now", forPrograms, g.apiNow, small},
		{"GET /api/v1/power", forPrograms, g.apiPower, small},
		{"GET /api/v1/devices", forPrograms, g.apiDevices, small},
		{"GET /api/v1/history/series", forPrograms, g.past.Series, small},
		{"GET /api/v1/history/power", forPrograms, g.past.Power, unhurried},
		{"GET /api/v1/history/energy", forPrograms, g.past.Energy, unhurried},
		{"GET /api/v1/history/peaks", forPrograms, g.past.Peaks, unhurried},
		{"GET /api/v1/history/state", forPrograms, g.past.State, unhurried},
		{"GET /api/v1/history/always-on", forPrograms, g.past.AlwaysOn, small},
		{"GET /api/v1/home-assistant", forPrograms, g.apiHomeAssistant, small},

		// The manager's interface, for those who may. What it keeps for the
		// gateway alone (that the appliance was claimed) is not here.
		{"GET /api/v1/system/health", forPrograms, g.passOn, small},
		{"GET /api/v1/system/metrics", forPrograms, g.passOn, small},
		{"GET /api/v1/system/system", forPrograms, g.passOn, small},
		{"GET /api/v1/system/update", forPrograms, g.passOn, small},
		{"POST /api/v1/system/update", forPrograms, g.passOn, bundle},
		{"POST /api/v1/system/update/seen", forPrograms, g.passOn, small},
		{"POST /api/v1/system/update/check", forPrograms, g.passOn, unhurried},
		{"POST /api/v1/system/update/install", forPrograms, g.passOn, unhurried},
		{"GET /api/v1/system/update/password", forPrograms, g.passOn, small},
		{"POST /api/v1/system/rollback", forPrograms, g.passOn, unhurried},
		{"POST /api/v1/system/backup", forPrograms, g.passOn, unhurried},
		{"POST /api/v1/system/restore", forPrograms, g.passOn, archive},
		{"GET /api/v1/system/config", forPrograms, g.passOn, small},
		{"PUT /api/v1/system/config", forPrograms, g.passOn, document},
		{"POST /api/v1/system/config/set", forPrograms, g.passOn, document},
		{"POST /api/v1/system/config/restore", forPrograms, g.passOn, small},
		{"GET /api/v1/system/logs", forPrograms, g.passOn, unhurried},
		{"GET /api/v1/system/diagnostics", forPrograms, g.passOn, unhurried},
		{"GET /api/v1/system/ca", forPrograms, g.passOn, small},
		{"POST /api/v1/system/restart", forPrograms, g.passOn, small},
		{"GET /api/v1/system/import", forPrograms, g.passOn, document},
		{"POST /api/v1/system/import", forPrograms, g.passOn, foreign},
		{"GET /api/v1/system/mqtt/users", forPrograms, g.passOn, small},
		{"POST /api/v1/system/mqtt/users", forPrograms, g.passOn, document},
		{"POST /api/v1/system/mqtt/users/remove", forPrograms, g.passOn, small},
		{"POST /api/v1/system/mqtt/users/certificate", forPrograms, g.passOn, document},
		{"POST /api/v1/system/mqtt/import", forPrograms, g.passOn, foreign},
		{"POST /api/v1/system/reboot", forPrograms, g.passOn, small},

		// The metrics writer's interface, one row for each question.
		{"GET /api/v1/metrics/check", forPrograms, g.passToMetrics, small},
		{"GET /api/v1/metrics/trouble", forPrograms, g.passToMetrics, small},
		{"GET /api/v1/metrics/destinations", forPrograms, g.passToMetrics, small},
		{"POST /api/v1/metrics/destinations/{name}/resend", forPrograms, g.passToMetrics, small},
		{"GET /api/v1/metrics/destinations/{name}/aside", forPrograms, g.passToMetrics, small},
		{"POST /api/v1/metrics/destinations/{name}/aside/resend", forPrograms, g.passToMetrics, small},
		{"GET /api/v1/metrics/hdf", forPrograms, g.passToMetrics, small},
		{"POST /api/v1/metrics/hdf", forPrograms, g.passToMetrics, meterFileLoad},
		{"GET /api/v1/metrics/ledger", forPrograms, g.passToMetrics, small},
		{"GET /api/v1/metrics/ledger/compare", forPrograms, g.passToMetrics, unhurried},
		{"GET /api/v1/metrics/ledger/export", forPrograms, g.passToMetrics, unhurried},
	}
}

// build puts the table behind the guards.
func (g *Gateway) build() http.Handler {
	mux := http.NewServeMux()
	byPattern := map[string]route{}
	for _, r := range append(g.routes(), route{"/", forSignedIn, g.unknown, small}) {
		mux.Handle(r.pattern, r.handle)
		byPattern[r.pattern] = r
	}

	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux answers for a wrong method and an unclean path itself, with an
		// empty pattern: those need a session like everything unknown.
		_, pattern := mux.Handler(r)
		row, known := byPattern[pattern]
		if !known {
			row = route{access: forSignedIn, load: small}
		}
		who := row.access
		// A copy: the server must go on knowing its own body, so that who waits
		// to be asked for theirs (Expect: 100-continue) is answered at once.
		r = r.WithContext(withLoad(r.Context(), row.load))
		r.Body = http.MaxBytesReader(w, r.Body, row.load.body)
		if strings.HasPrefix(r.URL.Path, "/api/") && who == forSignedIn {
			who = forPrograms // an unknown one answers like a known one
		}
		if who == forEveryone || who == forLink {
			mux.ServeHTTP(w, r)
			return
		}
		v, ok := g.visitor(w, r, who)
		if !ok {
			return
		}
		private(w)
		r = r.WithContext(withVisitor(r.Context(), v))
		if row.load.slow {
			w, r = patient(w, r)
		}
		mux.ServeHTTP(w, r)
	})

	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "this request came from another site", http.StatusForbidden)
	}))
	guarded := crossOrigin.Handler(inner)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.secure(w.Header(), r)
		guarded.ServeHTTP(w, r)
	})
}

// private keeps an answer out of every cache; static files overrule it.
func private(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }
