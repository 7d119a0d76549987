package gateway

import (
	"context"
	"net/http"
	"strings"

	"github.com/smartcore-ireland/hems/internal/gateway/signin"
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
	role    signin.Role // the least that may; signin.Nobody where access asks for no sign-in
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
		{"GET /login", forEveryone, signin.Nobody, g.loginPage, small},
		{"POST /login", forEveryone, signin.Nobody, g.login, small},
		{"POST /login/passkey/begin", forEveryone, signin.Nobody, g.beginPasskey, small},
		{"POST /login/passkey", forEveryone, signin.Nobody, g.enterByPasskey, small},
		{"GET /claim", forEveryone, signin.Nobody, g.claimPage, small}, // until there is an owner
		{"POST /claim", forEveryone, signin.Nobody, g.claim, small},
		{"GET /static/{name}", forEveryone, signin.Nobody, g.files.serveStatic, small}, // styles and icons
		{"GET /healthz", forEveryone, signin.Nobody, g.healthz, small},

		{"GET /trust/{link}", forLink, signin.Nobody, g.trustPage, small},
		{"GET /trust/{link}/{file}", forLink, signin.Nobody, g.trustFile, small},
		{"GET /invitation/{code}", forLink, signin.Nobody, g.invitationPage, small},
		{"POST /invitation/{code}", forLink, signin.Nobody, g.acceptInvitation, small},
		{"GET /phone/{link}", forLink, signin.Nobody, g.handoutPage, small},
		{"POST /phone/{link}", forLink, signin.Nobody, g.takeHandout, small},

		{"GET /{$}", forSignedIn, signin.Viewer, g.nowPage, small},
		{"GET /devices", forSignedIn, signin.Viewer, g.devicesPage, small},
		{"GET /pair", forSignedIn, signin.Member, g.pairPage, small},
		{"POST /pair", forSignedIn, signin.Member, g.permit, small},
		{"GET /more", forSignedIn, signin.Viewer, g.morePage, small},
		{"POST /theme", forSignedIn, signin.Viewer, g.setTheme, small},
		{"POST /logout", forSignedIn, signin.Viewer, g.logout, small},
		{"GET /script/{name}", forSignedIn, signin.Viewer, g.files.serveScript, small},

		{"GET /system", forSignedIn, signin.Owner, g.systemPage, small},
		{"GET /system/update", forSignedIn, signin.Owner, g.updatePage, small},
		{"POST /system/update", forSignedIn, signin.Owner, g.sendUpdate, bundle},
		{"POST /system/update/seen", forSignedIn, signin.Owner, g.seenVerdict, small},
		{"POST /system/update/check", forSignedIn, signin.Owner, g.checkFeed, unhurried},
		{"POST /system/update/install", forSignedIn, signin.Owner, g.installAvailable, unhurried},
		{"POST /system/update/back", forSignedIn, signin.Owner, g.goBack, unhurried},
		{"POST /system/update/feed", forSignedIn, signin.Owner, g.setFeed, small},
		{"POST /system/update/developer", forSignedIn, signin.Owner, g.setDeveloper, small},
		{"POST /system/update/password", forSignedIn, signin.Owner, g.updatePassword, small},
		{"GET /system/destinations", forSignedIn, signin.Owner, g.destinationsPage, small},
		{"GET /system/destinations/{name}", forSignedIn, signin.Owner, g.asidePage, small},
		{"POST /system/destinations/resend", forSignedIn, signin.Owner, g.resend, small},
		{"POST /system/destinations/aside", forSignedIn, signin.Owner, g.resendAside, small},
		{"GET /ledger", forSignedIn, signin.Member, g.ledgerPage, small},
		{"POST /ledger", forSignedIn, signin.Member, g.takeMeterFile, meterFileLoad},
		{"GET /ledger/export", forSignedIn, signin.Member, g.exportLedger, unhurried},
		{"GET /system/backup", forSignedIn, signin.Owner, g.backupPage, small},
		{"POST /system/backup", forSignedIn, signin.Owner, g.makeBackup, unhurried},
		{"POST /system/restore", forSignedIn, signin.Owner, g.restore, archive},
		{"GET /system/logs", forSignedIn, signin.Owner, g.logsPage, small},
		{"GET /system/diagnostics", forSignedIn, signin.Owner, g.diagnostics, unhurried},
		{"GET /system/config", forSignedIn, signin.Owner, g.configPage, small},
		{"POST /system/config/restore", forSignedIn, signin.Owner, g.restoreConfig, small},
		{"POST /system/restart", forSignedIn, signin.Owner, g.restart, small},
		{"GET /system/https", forSignedIn, signin.Viewer, g.httpsPage, small},
		{"GET /system/https/{file}", forSignedIn, signin.Viewer, g.authorityFile, small},
		{"GET /system/home-assistant", forSignedIn, signin.Owner, g.homeAssistantPage, small},
		{"POST /system/home-assistant", forSignedIn, signin.Owner, g.setHomeAssistant, small},
		{"GET /ways/tailnet", forSignedIn, signin.Owner, g.tailnetPage, small},
		{"POST /ways/tailnet", forSignedIn, signin.Owner, g.changeTailnet, small},
		{"GET /ways", forSignedIn, signin.Viewer, g.waysPage, small},
		{"GET /people", forSignedIn, signin.Owner, g.peoplePage, small},
		{"GET /people/person", forSignedIn, signin.Owner, g.personPage, small},
		{"POST /people", forSignedIn, signin.Owner, g.pageDeed(g.invite), small},
		{"POST /people/invite", forSignedIn, signin.Owner, g.pageDeed(g.inviteAgain), small},
		{"POST /people/invite/end", forSignedIn, signin.Owner, g.pageDeed(g.takeBack), small},
		{"POST /people/role", forSignedIn, signin.Owner, g.pageDeed(g.setRole), small},
		{"POST /people/logins", forSignedIn, signin.Owner, g.pageDeed(g.setLogins), small},
		{"POST /people/remove", forSignedIn, signin.Owner, g.pageDeed(g.removePerson), small},
		{"POST /people/sessions/end", forSignedIn, signin.Owner, g.pageDeed(g.endSession), small},
		{"POST /people/tokens/end", forSignedIn, signin.Owner, g.pageDeed(g.endToken), small},
		{"POST /people/passkeys/remove", forSignedIn, signin.Owner, g.pageDeed(g.removePasskey), small},
		{"POST /people/me/passkeys/begin", forSignedIn, signin.Viewer, g.beginMakingPasskey, small},
		{"POST /people/me/passkeys", forSignedIn, signin.Viewer, g.keepPasskey, small},
		{"POST /people/me/passkeys/remove", forSignedIn, signin.Viewer, g.pageDeed(own(g.removePasskey)), small},
		{"GET /people/me", forSignedIn, signin.Viewer, g.mePage, small},
		{"POST /people/me/password", forSignedIn, signin.Viewer, g.pageDeed(own(g.changePassword)), small},
		{"POST /people/me/sessions/end", forSignedIn, signin.Viewer, g.pageDeed(own(g.endSession)), small},
		{"POST /people/me/tokens", forSignedIn, signin.Viewer, g.pageDeed(g.makeToken), small},
		{"POST /people/me/tokens/end", forSignedIn, signin.Viewer, g.pageDeed(own(g.endToken)), small},

		{"GET /ways/cloudflare", forSignedIn, signin.Owner, g.cloudPage, small},
		{"POST /ways/cloudflare", forSignedIn, signin.Owner, g.setCloud, small},
		{"POST /ways/cloudflare/add", forSignedIn, signin.Owner, g.addCloudHost, small},
		{"POST /ways/cloudflare/remove", forSignedIn, signin.Owner, g.dropCloudHost, small},
		{"GET /phones", forSignedIn, signin.Owner, g.phonesPage, small},
		{"POST /phones", forSignedIn, signin.Owner, g.addPhone, unhurried},
		{"POST /phones/revoke", forSignedIn, signin.Owner, g.dropPhone, small},
		{"POST /phones/mode", forSignedIn, signin.Owner, g.askPhones, small},

		{"GET /events", forPrograms, signin.Viewer, g.events, small},
		{"GET /api/v1/now", forPrograms, signin.Viewer, g.apiNow, small},
		{"GET /api/v1/power", forPrograms, signin.Viewer, g.apiPower, small},
		{"GET /api/v1/devices", forPrograms, signin.Viewer, g.apiDevices, small},
		{"GET /api/v1/history/series", forPrograms, signin.Viewer, g.past.Series, small},
		{"GET /api/v1/history/power", forPrograms, signin.Viewer, g.past.Power, unhurried},
		{"GET /api/v1/history/energy", forPrograms, signin.Viewer, g.past.Energy, unhurried},
		{"GET /api/v1/history/peaks", forPrograms, signin.Viewer, g.past.Peaks, unhurried},
		{"GET /api/v1/history/state", forPrograms, signin.Viewer, g.past.State, unhurried},
		{"GET /api/v1/history/always-on", forPrograms, signin.Viewer, g.past.AlwaysOn, small},
		{"GET /api/v1/home-assistant", forPrograms, signin.Owner, g.apiHomeAssistant, small},
		{"GET /api/v1/people", forPrograms, signin.Owner, g.apiPeople, small},
		{"POST /api/v1/people", forPrograms, signin.Owner, g.apiDeed(g.invite), small},
		{"POST /api/v1/people/invite", forPrograms, signin.Owner, g.apiDeed(g.inviteAgain), small},
		{"POST /api/v1/people/invite/end", forPrograms, signin.Owner, g.apiDeed(g.takeBack), small},
		{"POST /api/v1/people/role", forPrograms, signin.Owner, g.apiDeed(g.setRole), small},
		{"POST /api/v1/people/logins", forPrograms, signin.Owner, g.apiDeed(g.setLogins), small},
		{"POST /api/v1/people/remove", forPrograms, signin.Owner, g.apiDeed(g.removePerson), small},
		{"POST /api/v1/people/sessions/end", forPrograms, signin.Owner, g.apiDeed(g.endSession), small},
		{"POST /api/v1/people/tokens/end", forPrograms, signin.Owner, g.apiDeed(g.endToken), small},
		{"POST /api/v1/people/passkeys/remove", forPrograms, signin.Owner, g.apiDeed(g.removePasskey), small},
		{"POST /api/v1/people/me/passkeys/remove", forPrograms, signin.Viewer, g.apiDeed(own(g.removePasskey)), small},
		{"GET /api/v1/people/me", forPrograms, signin.Viewer, g.apiMe, small},
		{"POST /api/v1/people/me/password", forPrograms, signin.Viewer, g.apiDeed(own(g.changePassword)), small},
		{"POST /api/v1/people/me/sessions/end", forPrograms, signin.Viewer, g.apiDeed(own(g.endSession)), small},
		{"POST /api/v1/people/me/tokens", forPrograms, signin.Viewer, g.apiDeed(g.makeToken), small},
		{"POST /api/v1/people/me/tokens/end", forPrograms, signin.Viewer, g.apiDeed(own(g.endToken)), small},

		{"GET /api/v1/phones", forPrograms, signin.Owner, g.apiPhones, small},
		{"POST /api/v1/phones", forPrograms, signin.Owner, g.apiAddPhone, unhurried},
		{"POST /api/v1/phones/revoke", forPrograms, signin.Owner, g.apiRevokePhone, small},
		{"POST /api/v1/phones/mode", forPrograms, signin.Owner, g.apiPhonesMode, small},
		{"GET /api/v1/ways/cloudflare", forPrograms, signin.Owner, g.apiCloud, small},
		{"POST /api/v1/ways/cloudflare/hosts", forPrograms, signin.Owner, g.apiCloudHosts, small},
		{"POST /api/v1/ways/cloudflare/token", forPrograms, signin.Owner, g.apiCloudToken, small},
		{"GET /api/v1/ways/tailnet", forPrograms, signin.Owner, g.apiTailnet, small},
		{"POST /api/v1/ways/tailnet", forPrograms, signin.Owner, g.apiChangeTailnet, small},
		{"GET /api/v1/ways", forPrograms, signin.Viewer, g.apiWays, small},

		// The manager's interface, for those who may. What it keeps for the
		// gateway alone (that the appliance was claimed) is not here.
		{"GET /api/v1/system/health", forPrograms, signin.Viewer, g.passOn, small},
		{"GET /api/v1/system/metrics", forPrograms, signin.Owner, g.passOn, small},
		{"GET /api/v1/system/system", forPrograms, signin.Owner, g.passOn, small},
		{"GET /api/v1/system/update", forPrograms, signin.Owner, g.passOn, small},
		{"POST /api/v1/system/update", forPrograms, signin.Owner, g.passOn, bundle},
		{"POST /api/v1/system/update/seen", forPrograms, signin.Owner, g.passOn, small},
		{"POST /api/v1/system/update/check", forPrograms, signin.Owner, g.passOn, unhurried},
		{"POST /api/v1/system/update/install", forPrograms, signin.Owner, g.passOn, unhurried},
		{"GET /api/v1/system/update/password", forPrograms, signin.Owner, g.passOn, small},
		{"POST /api/v1/system/rollback", forPrograms, signin.Owner, g.passOn, unhurried},
		{"POST /api/v1/system/backup", forPrograms, signin.Owner, g.passOn, unhurried},
		{"POST /api/v1/system/restore", forPrograms, signin.Owner, g.passOn, archive},
		{"GET /api/v1/system/config", forPrograms, signin.Owner, g.passOn, small},
		{"PUT /api/v1/system/config", forPrograms, signin.Owner, g.passOn, document},
		{"POST /api/v1/system/config/set", forPrograms, signin.Owner, g.setConfig, document},
		{"POST /api/v1/system/config/restore", forPrograms, signin.Owner, g.passOn, small},
		{"GET /api/v1/system/logs", forPrograms, signin.Owner, g.passOn, unhurried},
		{"GET /api/v1/system/diagnostics", forPrograms, signin.Owner, g.passOn, unhurried},
		{"GET /api/v1/system/ca", forPrograms, signin.Owner, g.passOn, small},
		{"POST /api/v1/system/restart", forPrograms, signin.Owner, g.passOn, small},
		{"GET /api/v1/system/import", forPrograms, signin.Owner, g.passOn, document},
		{"POST /api/v1/system/import", forPrograms, signin.Owner, g.passOn, foreign},
		{"GET /api/v1/system/mqtt/users", forPrograms, signin.Owner, g.passOn, small},
		{"POST /api/v1/system/mqtt/users", forPrograms, signin.Owner, g.passOn, document},
		{"POST /api/v1/system/mqtt/users/remove", forPrograms, signin.Owner, g.passOn, small},
		{"POST /api/v1/system/mqtt/users/certificate", forPrograms, signin.Owner, g.passOn, document},
		{"POST /api/v1/system/mqtt/import", forPrograms, signin.Owner, g.passOn, foreign},
		{"POST /api/v1/system/reboot", forPrograms, signin.Owner, g.passOn, small},

		// The metrics writer's interface, one row for each question.
		{"GET /api/v1/metrics/check", forPrograms, signin.Owner, g.passToMetrics, small},
		{"GET /api/v1/metrics/trouble", forPrograms, signin.Owner, g.passToMetrics, small},
		{"GET /api/v1/metrics/destinations", forPrograms, signin.Owner, g.passToMetrics, small},
		{"POST /api/v1/metrics/destinations/{name}/resend", forPrograms, signin.Owner, g.passToMetrics, small},
		{"GET /api/v1/metrics/destinations/{name}/aside", forPrograms, signin.Owner, g.passToMetrics, small},
		{"POST /api/v1/metrics/destinations/{name}/aside/resend", forPrograms, signin.Owner, g.passToMetrics, small},
		{"GET /api/v1/metrics/hdf", forPrograms, signin.Member, g.passToMetrics, small},
		{"POST /api/v1/metrics/hdf", forPrograms, signin.Member, g.passToMetrics, meterFileLoad},
		{"GET /api/v1/metrics/ledger", forPrograms, signin.Member, g.passToMetrics, small},
		{"GET /api/v1/metrics/ledger/compare", forPrograms, signin.Member, g.passToMetrics, unhurried},
		{"GET /api/v1/metrics/ledger/export", forPrograms, signin.Member, g.passToMetrics, unhurried},
	}
}

// build puts the table behind the guards.
func (g *Gateway) build() http.Handler {
	return g.guard(append(g.routes(), route{"/", forSignedIn, signin.Viewer, g.unknown, small}))
}

// guard lets nobody through to a row who may not use it.
func (g *Gateway) guard(rows []route) http.Handler {
	mux := http.NewServeMux()
	byPattern := map[string]route{}
	for _, r := range rows {
		if (r.role == signin.Nobody) != (r.access == forEveryone || r.access == forLink) {
			panic("the route " + r.pattern + " does not say which role may: every row that asks for a sign-in has one") // of whoever wrote the row
		}
		mux.Handle(r.pattern, r.handle)
		byPattern[r.pattern] = r
	}

	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux answers for a wrong method and an unclean path itself, with an
		// empty pattern: those need a session like everything unknown.
		_, pattern := mux.Handler(r)
		row, known := byPattern[pattern]
		if !known {
			row = route{access: forSignedIn, role: signin.Viewer, load: small}
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
		defer stay(r.Context())()
		private(w)
		r = r.WithContext(withVisitor(r.Context(), v))
		if v.role < row.role {
			g.forbid(w, r, who, row.role)
			return
		}
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
