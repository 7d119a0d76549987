// Package gokproto answers "gok update". It knows gokrazy's update protocol over
// HTTP (github.com/gokrazy/updater is its other side) and what gok packs. It
// must never know slots, nor how a system is installed: it collects what gok
// sends in files and hands them over, whole, when gok says so.
//
// Where gokrazy writes each body to the card as it comes, nothing here leaves
// the files before "switch". Nothing is passed on to gokrazy's own update
// handlers, which know nothing of slots.
package gokproto

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/update/refusal"
)

// Port is where gok finds the protocol, over TCP.
const Port = 9080

// User is who signs in.
const User = "gokrazy"

// MaxBoot is the largest boot file system taken, in bytes: the partition's size.
const MaxBoot = 100 << 20

// Options are what the handler needs.
type Options struct {
	// Dir is the directory of the files that gok sends. It is made, and what an
	// earlier process left in it is removed.
	Dir string
	// MaxRoot is the largest root file system taken, in bytes.
	MaxRoot int64
	// Password is asked for at each request. Nobody is let in while it is empty
	// or an error.
	Password func() (string, error)
	// Allowed says why updates are refused, or nil.
	Allowed func() error
	// BuildTimestamp is the running root's, as gokrazy says it: gok compares it
	// with what it sent to see whether the update is there.
	BuildTimestamp func(context.Context) (string, error)
	// Install installs the two files, to be tried at the next restart. They are
	// removed when it returns. One runs at a time. It is not given up when gok
	// goes away.
	Install func(ctx context.Context, boot, root string) error
	// Restart begins to restart into what was installed, and returns.
	Restart func() error
	Log     *slog.Logger
	Now     func() time.Time // time.Now, if nil
}

// Handler answers gok. It is an http.Handler for the root of a server.
type Handler struct {
	o       Options
	guesses guesses
	mux     http.Handler

	busy sync.Mutex // one body or installation at a time

	mu     sync.Mutex
	staged map[string]bool // "root", "boot": the file is whole
	from   string          // address of who sends the update
	last   time.Time       // when they last did
}

// The files of an update under way.
const (
	rootFile = "root.img"
	bootFile = "boot.img"
)

// New prepares the directory.
func New(o Options) (*Handler, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("preparing for gok update: %w", err)
	}
	h := &Handler{o: o, guesses: guesses{now: o.Now}, staged: map[string]bool{}}
	h.discard()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.status)
	mux.HandleFunc("GET /update/features", h.features)
	mux.HandleFunc("PUT /update/root", func(w http.ResponseWriter, r *http.Request) { h.receive(w, r, "root", o.MaxRoot) })
	mux.HandleFunc("PUT /update/boot", func(w http.ResponseWriter, r *http.Request) { h.receive(w, r, "boot", MaxBoot) })
	mux.HandleFunc("PUT /update/mbr", h.passOver)
	mux.HandleFunc("PUT /update/device-specific/", h.passOver)
	mux.HandleFunc("POST /update/switch", h.install)
	mux.HandleFunc("POST /update/testboot", h.install) // every update here is tried first
	mux.HandleFunc("POST /reboot", h.restart)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusNotFound, errUnknown)
	})
	// A browser that knows the password is not to be used by other sites.
	h.mux = http.NewCrossOriginProtection().Handler(h.guard(mux))
	return h, nil
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// The reasons to refuse a request.
var (
	errSignIn = refusal.New("sign_in", "wrong user or password",
		"the user is "+User+"; the appliance shows its owner the password")
	errTooMany = refusal.New("too_many", "there were too many wrong passwords",
		"try again in a minute")
	errUnknown = refusal.New("unknown", "this port knows gok update only",
		"open the appliance's page without the port")
	errBusy = refusal.New("busy", "another update is on its way",
		"wait until it is done")
	errTooLarge = refusal.New("too_large", "the file system is too large",
		"make the image smaller, or update the card with \"make flash\"")
	errInterrupted = refusal.New("interrupted", "the transfer was interrupted",
		"run gok update again")
	errIncomplete = refusal.New("incomplete", "there is nothing whole to install",
		"send the root and the boot file system first, as gok update does")
	errInstall = refusal.New("install", "the update was not installed, and what runs is as it was",
		"see the appliance's log")
	errStorage = refusal.New("storage", "the update could not be kept until it is whole",
		"is there room on the card?")
	errStatus = refusal.New("status", "the running system does not say when it was built",
		"try again in a moment")
	errRestart = refusal.New("restart", "the appliance did not restart",
		"restart it from its page")
)

// ErrDeveloperOff is what Options.Allowed gives while updates over this port are
// switched off.
var ErrDeveloperOff = refusal.New("developer_off", "unsigned updates are off on this appliance",
	"switch update.developer on in the appliance's settings, or install a signed release")

// answer writes a reason on one line: gok shows it in quotes.
func answer(w http.ResponseWriter, status int, err error) {
	text := err.Error()
	if r := refusal.Of(err); r != nil && r.Hint != "" {
		text += " (hint: " + r.Hint + ")"
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json") // exactly: the updater compares it
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(v)
}

// features says what this side of the protocol can: partition names by UUID in a
// GPT, and CRC-32 as the hash of what was received. gok asks for the EEPROM's
// version in the same answer; there is never one to update.
func (h *Handler) features(w http.ResponseWriter, _ *http.Request) {
	var answer struct {
		Features string `json:"features"`
		EEPROM   struct{ PieepromSHA256, VL805SHA256 string }
	}
	answer.Features = "partuuid,updatehash,gpt,"
	answerJSON(w, answer)
}

// status is what gok asks after the restart.
func (h *Handler) status(w http.ResponseWriter, r *http.Request) {
	built, err := h.o.BuildTimestamp(r.Context())
	if err != nil {
		h.o.Log.Warn("gok asked when the running system was built", "err", err)
		answer(w, http.StatusServiceUnavailable, errStatus)
		return
	}
	answerJSON(w, struct{ BuildTimestamp string }{built})
}

// discard forgets what was received.
func (h *Handler) discard() {
	h.mu.Lock()
	clear(h.staged)
	h.mu.Unlock()
	for _, name := range []string{rootFile, bootFile, partFile} {
		if err := os.Remove(filepath.Join(h.o.Dir, name)); err != nil && !os.IsNotExist(err) {
			h.o.Log.Warn("removing an update's file", "err", err)
		}
	}
}
