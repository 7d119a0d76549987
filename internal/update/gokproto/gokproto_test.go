package gokproto

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gokrazy/updater"
	"github.com/google/go-cmp/cmp"
)

const password = "correct horse battery"

// device is a handler behind a real server, with what it did.
type device struct {
	*httptest.Server
	h   *Handler
	dir string
	now time.Time
	log syncBuffer

	mu        sync.Mutex
	password  func() (string, error)
	allowed   error
	fails     error // of Install and Restart
	during    func()
	installed []string // what was installed, as "boot|root"
	restarts  int
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

const maxRoot = 1 << 20

func newDevice(t testing.TB) *device {
	t.Helper()
	d := &device{dir: filepath.Join(t.TempDir(), "update", "gok"), now: time.Now()}
	d.password = func() (string, error) { return password, nil }
	h, err := New(Options{
		Dir:     d.dir,
		MaxRoot: maxRoot,
		Password: func() (string, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.password()
		},
		Allowed: func() error {
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.allowed
		},
		BuildTimestamp: func(context.Context) (string, error) { return "2026-11-21T10:20:30Z", d.fails },
		Install: func(_ context.Context, boot, root string) error {
			b, err := os.ReadFile(boot)
			r, err2 := os.ReadFile(root)
			if d.during != nil {
				d.during()
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			d.installed = append(d.installed, fmt.Sprintf("%s|%s", b, r))
			return errors.Join(err, err2, d.fails)
		},
		Restart: func() error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.restarts++
			return d.fails
		},
		Now: func() time.Time {
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.now
		},
		Log: slog.New(slog.NewTextHandler(&d.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	d.h = h
	d.Server = httptest.NewServer(h)
	t.Cleanup(d.Close)
	return d
}

func (d *device) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

// left lists the files that are there.
func (d *device) left(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// target is gok's side, as gok makes it, with a password.
func (d *device) target(t testing.TB, password string) (*updater.Target, error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	url := strings.Replace(d.URL, "http://", "http://gokrazy:"+strings.ReplaceAll(password, " ", "%20")+"@", 1)
	return updater.NewTarget(t.Context(), url+"/", client)
}

func (d *device) mustTarget(t testing.TB) *updater.Target {
	t.Helper()
	target, err := d.target(t, password)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func stream(t testing.TB, target *updater.Target, what string, body io.Reader) {
	t.Helper()
	if err := target.StreamTo(t.Context(), what, body); err != nil {
		t.Fatalf("sending %s: %v", what, err)
	}
}

func noise(n int) string {
	rnd := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	rnd.Read(b)
	return string(b)
}

// TestGokUpdate goes through gok's calls in gok's order.
func TestGokUpdate(t *testing.T) {
	d := newDevice(t)
	target := d.mustTarget(t)
	for _, feature := range []updater.ProtocolFeature{"partuuid", "updatehash", "gpt"} {
		if !target.Supports(feature) {
			t.Errorf("%s is not supported", feature)
		}
	}
	if got := target.InstalledEEPROM(); got != (updater.EEPROMVersion{}) {
		t.Errorf("EEPROM %+v, want none", got)
	}
	root, boot := noise(maxRoot), noise(100_001)
	stream(t, target, "root", strings.NewReader(root))
	if err := target.StreamTo(t.Context(), "device-specific/bootloader.img", strings.NewReader(noise(1<<20))); !errors.Is(err, updater.ErrUpdateHandlerNotImplemented) {
		t.Errorf("a file of another board: got %v, want %v", err, updater.ErrUpdateHandlerNotImplemented)
	}
	stream(t, target, "boot", strings.NewReader(boot))
	if err := target.StreamTo(t.Context(), "mbr", strings.NewReader(noise(446))); !errors.Is(err, updater.ErrUpdateHandlerNotImplemented) {
		t.Errorf("the MBR: got %v, want %v", err, updater.ErrUpdateHandlerNotImplemented)
	}
	if len(d.installed) != 0 {
		t.Fatal("something was installed before the switch")
	}
	if err := target.Switch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := target.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{boot + "|" + root}, d.installed); diff != "" {
		t.Errorf("what was installed is not what was sent (%d bytes of difference)", len(diff))
	}
	if d.restarts != 1 {
		t.Errorf("%d restarts, want 1", d.restarts)
	}
	if left := d.left(t); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
	if strings.Contains(d.log.String(), password) {
		t.Error("the password is in the log")
	}
}

func TestTestbootInstallsToo(t *testing.T) {
	d := newDevice(t)
	target := d.mustTarget(t)
	stream(t, target, "root", strings.NewReader("root"))
	stream(t, target, "boot", strings.NewReader("boot"))
	if err := target.Testboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := target.Reboot(t.Context(), updater.WithKexec(false), updater.WithAsync(true)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"boot|root"}, d.installed); diff != "" || d.restarts != 1 {
		t.Errorf("installed (-want +got):\n%s\n%d restarts", diff, d.restarts)
	}
}

// TestPoll is how gok sees that the device runs what it sent.
func TestPoll(t *testing.T) {
	d := newDevice(t)
	get := func() (int, string, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.URL+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(User, password)
		req.Header.Set("Accept", "application/json")
		resp, err := d.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header.Get("Content-Type"), string(b)
	}
	if status, kind, body := get(); status != 200 || kind != "application/json" || body != `{"BuildTimestamp":"2026-11-21T10:20:30Z"}`+"\n" {
		t.Errorf("got %d, %s, %q", status, kind, body)
	}
	d.fails = errors.New("gokrazy is away")
	if status, _, body := get(); status != 503 || strings.Contains(body, "gokrazy is away") || !strings.Contains(body, "does not say when it was built") {
		t.Errorf("got %d, %q", status, body)
	}
}

func TestNobodyEntersWithoutThePassword(t *testing.T) {
	for name, try := range map[string]struct {
		device func() (string, error)
		typed  string
	}{
		"Wrong":             {func() (string, error) { return password, nil }, "wrong"},
		"None":              {func() (string, error) { return password, nil }, ""},
		"Prefix":            {func() (string, error) { return password, nil }, password[:5]},
		"NotClaimed":        {func() (string, error) { return "", nil }, ""},
		"NotClaimedAnyWord": {func() (string, error) { return "", nil }, "password"},
		"CannotBeRead":      {func() (string, error) { return password, os.ErrPermission }, password},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t)
			d.allowed = ErrDeveloperOff // which a stranger does not learn
			d.password = try.device
			_, err := d.target(t, try.typed)
			if err == nil || !strings.Contains(err.Error(), "got 401") || !strings.Contains(err.Error(), "wrong user or password (hint: the user is gokrazy;") {
				t.Errorf("got %v", err)
			}
		})
	}
	d := newDevice(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.URL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("root", password)
	resp, err := d.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("another user with the password: got %d", resp.StatusCode)
	}
}

// TestEveryCallNeedsThePassword goes through all that the server knows, and more.
func TestEveryCallNeedsThePassword(t *testing.T) {
	d := newDevice(t)
	for _, call := range []string{"GET /", "GET /update/features", "PUT /update/root", "PUT /update/boot", "PUT /update/mbr",
		"PUT /update/device-specific/x", "POST /update/switch", "POST /update/testboot", "POST /reboot",
		"PUT /update/bootonly", "PUT /uploadtemp/x", "POST /divert", "POST /poweroff", "GET /nothing"} {
		method, path, _ := strings.Cut(call, " ")
		for _, tt := range []struct {
			user, password string
			allowed        error
			want           []int
		}{
			{"", "", nil, []int{401}},
			{User, "wrong", nil, []int{401}},
			{User, password, ErrDeveloperOff, []int{403}},
			{User, password, nil, []int{200, 404, 409}},
		} {
			d.set(func() { d.allowed, d.now = tt.allowed, d.now.Add(window) })
			req, err := http.NewRequestWithContext(t.Context(), method, d.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.user != "" {
				req.SetBasicAuth(tt.user, tt.password)
			}
			resp, err := d.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			ok := false
			for _, want := range tt.want {
				ok = ok || resp.StatusCode == want
			}
			if !ok {
				t.Errorf("%s as %q with %q: got %d, want %v", call, tt.user, tt.password, resp.StatusCode, tt.want)
			}
		}
	}
}

func TestGuessesAreFew(t *testing.T) {
	d := newDevice(t)
	for range guessesOfOne {
		if _, err := d.target(t, "wrong"); err == nil || !strings.Contains(err.Error(), "got 401") {
			t.Fatalf("got %v", err)
		}
	}
	_, err := d.target(t, password)
	if err == nil || !strings.Contains(err.Error(), "got 429") || !strings.Contains(err.Error(), "too many wrong passwords (hint: try again in a minute)") {
		t.Errorf("the right password after %d wrong ones: got %v", guessesOfOne, err)
	}
	d.set(func() { d.now = d.now.Add(window) })
	for range 2 * guessesOfAll { // right ones do not count
		if _, err := d.target(t, password); err != nil {
			t.Fatalf("a window later: %v", err)
		}
	}
}

func TestGuessesOfManyAreFew(t *testing.T) {
	now := time.Now()
	g := guesses{now: func() time.Time { return now }}
	visitor := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32)
	}
	for i := range 10_000 {
		if got, want := g.take(visitor(i)), i < guessesOfAll; got != want {
			t.Fatalf("guess %d: %t, want %t", i+1, got, want)
		}
	}
	if len(g.of) > guessesOfAll {
		t.Errorf("%d visitors are remembered", len(g.of))
	}
	g.giveBack(visitor(3))
	if !g.take(visitor(4)) {
		t.Error("an attempt that was right still counts")
	}
	now = now.Add(-time.Hour) // the clock was set
	if !g.take(visitor(1)) {
		t.Error("a clock set back closes the door")
	}
	g.giveBack(visitor(2)) // of the window before
	if g.all != 1 {
		t.Errorf("%d guesses counted, want 1", g.all)
	}
}

func TestVisitor(t *testing.T) {
	for _, tt := range []struct{ addr, want string }{
		{"192.168.1.5:4000", "192.168.1.5/32"},
		{"[::ffff:192.168.1.5]:4000", "192.168.1.5/32"},
		{"[2001:db8::1:2:3:4]:4000", "2001:db8::/64"},
		{"[fe80::1%eth0]:4000", "fe80::/64"},
		{"@", "invalid Prefix"},
	} {
		if got := visitorOf(&http.Request{RemoteAddr: tt.addr}).String(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.addr, got, tt.want)
		}
	}
}

func TestDeveloperOff(t *testing.T) {
	d := newDevice(t)
	d.allowed = ErrDeveloperOff
	_, err := d.target(t, password)
	want := `got 403, want 200 (body "unsigned updates are off on this appliance (hint: switch update.developer on`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	// Switched off while gok is at it.
	d.set(func() { d.allowed = nil })
	target := d.mustTarget(t)
	stream(t, target, "root", strings.NewReader("root"))
	stream(t, target, "boot", strings.NewReader("boot"))
	d.set(func() { d.allowed = ErrDeveloperOff })
	if err := target.StreamTo(t.Context(), "root", strings.NewReader("other")); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("sending a root: got %v", err)
	}
	if err := target.Switch(t.Context()); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("switching: got %v", err)
	}
	if err := target.Reboot(t.Context()); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("restarting: got %v", err)
	}
	if len(d.installed) != 0 || d.restarts != 0 {
		t.Errorf("%d installed, %d restarts", len(d.installed), d.restarts)
	}
}

// zeros is a body that does not end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestTooLarge(t *testing.T) {
	d := newDevice(t)
	target := d.mustTarget(t)
	stream(t, target, "boot", strings.NewReader("boot"))
	err := target.StreamTo(t.Context(), "root", strings.NewReader(noise(maxRoot+1)))
	if err == nil || !strings.Contains(err.Error(), "413") || !strings.Contains(err.Error(), "the file system is too large: more than 1 MiB") {
		t.Errorf("a root with a byte too much: got %v", err)
	}
	if left := d.left(t); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
	// One without end is not read without end.
	if err := target.StreamTo(t.Context(), "root", zeros{}); err == nil {
		t.Error("a root without end was taken")
	}
	if err := target.Switch(t.Context()); err == nil || !strings.Contains(err.Error(), "there is nothing whole to install") {
		t.Errorf("switching: got %v", err)
	}
}

func TestInterrupted(t *testing.T) {
	d := newDevice(t)
	target := d.mustTarget(t)
	stream(t, target, "root", strings.NewReader("root"))
	stream(t, target, "boot", strings.NewReader("boot"))
	// gok is stopped in the middle of the next root, which ends the update before.
	broken := io.MultiReader(strings.NewReader(noise(300_000)), brokenReader{})
	if err := target.StreamTo(t.Context(), "root", broken); err == nil {
		t.Fatal("a broken body was taken")
	}
	waitFor(t, "the server to notice", func() bool { return strings.Contains(d.log.String(), "a transfer from gok was interrupted") })
	waitFor(t, "the next request to be served", func() bool {
		err := target.Switch(t.Context())
		return err != nil && strings.Contains(err.Error(), "there is nothing whole to install")
	})
	if left := d.left(t); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
	stream(t, target, "root", strings.NewReader("root 2"))
	stream(t, target, "boot", strings.NewReader("boot 2"))
	if err := target.Switch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"boot 2|root 2"}, d.installed); diff != "" {
		t.Errorf("installed (-want +got):\n%s", diff)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("gok was stopped") }

// TestABodyShorterThanSaid sends what gok does not: a length.
func TestABodyShorterThanSaid(t *testing.T) {
	d := newDevice(t)
	conn, err := net.Dial("tcp", d.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPut, d.URL+"/update/root", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(User, password)
	fmt.Fprintf(conn, "PUT /update/root HTTP/1.1\r\nHost: hems\r\nAuthorization: %s\r\nContent-Length: 1000\r\n\r\nroot", req.Header.Get("Authorization"))
	conn.Close()
	waitFor(t, "the server to notice", func() bool { return strings.Contains(d.log.String(), "a transfer from gok was interrupted") })
	waitFor(t, "its file to go", func() bool { return len(d.left(t)) == 0 })
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s", what)
		}
	}
}

func TestSwitchNeedsBoth(t *testing.T) {
	for name, send := range map[string][]string{"Nothing": nil, "NoRoot": {"boot"}, "NoBoot": {"root"}, "BootBeforeRoot": {"boot", "root"}} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t)
			target := d.mustTarget(t)
			for _, what := range send {
				stream(t, target, what, strings.NewReader(what))
			}
			err := target.Switch(t.Context())
			if err == nil || !strings.Contains(err.Error(), "got 409") || !strings.Contains(err.Error(), "there is nothing whole to install") {
				t.Errorf("got %v", err)
			}
			if len(d.installed) != 0 {
				t.Error("something was installed")
			}
		})
	}
}

func TestAFailedInstallationIsTold(t *testing.T) {
	d := newDevice(t)
	target := d.mustTarget(t)
	stream(t, target, "root", strings.NewReader("root"))
	stream(t, target, "boot", strings.NewReader("boot"))
	d.fails = errors.New("the slot reads back differently")
	err := target.Switch(t.Context())
	if err == nil || !strings.Contains(err.Error(), "got 500") || !strings.Contains(err.Error(), "the update was not installed, and what runs is as it was: the slot reads back differently") {
		t.Errorf("got %v", err)
	}
	if err := target.Reboot(t.Context()); err == nil || !strings.Contains(err.Error(), "the appliance did not restart") {
		t.Errorf("restarting: got %v", err)
	}
	if left := d.left(t); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
}

func TestOneUpdateAtATime(t *testing.T) {
	d := newDevice(t)
	target := d.mustTarget(t)
	stream(t, target, "root", strings.NewReader("root"))
	stream(t, target, "boot", strings.NewReader("boot"))
	reached, goOn := make(chan bool), make(chan bool)
	d.during = func() { close(reached); <-goOn }
	done := make(chan error)
	go func() { done <- target.Switch(t.Context()) }()
	<-reached
	second := d.mustTarget(t)
	for name, err := range map[string]error{
		"root":   second.StreamTo(t.Context(), "root", strings.NewReader(noise(600_000))),
		"boot":   second.StreamTo(t.Context(), "boot", strings.NewReader("other")),
		"switch": second.Switch(t.Context()),
		"reboot": second.Reboot(t.Context()),
	} {
		if err == nil || !strings.Contains(err.Error(), "409") || !strings.Contains(err.Error(), "another update is on its way") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if d.restarts != 0 || len(d.installed) != 1 {
		t.Errorf("%d restarts, %d installed", d.restarts, len(d.installed))
	}
}

// TestTwoPeopleDoNotMix lets another address come between root and boot.
func TestTwoPeopleDoNotMix(t *testing.T) {
	d := newDevice(t)
	send := func(from, method, path, body string) int {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.RemoteAddr = from + ":4000"
		r.SetBasicAuth(User, password)
		w := httptest.NewRecorder()
		d.h.ServeHTTP(w, r)
		return w.Code
	}
	const ann, bob = "192.168.1.5", "192.168.1.6"
	later := func() { d.set(func() { d.now = d.now.Add(abandoned) }) }
	for i, tt := range []struct {
		before             func()
		from, method, path string
		want               int
	}{
		{nil, ann, "PUT", "/update/root", 200},
		{nil, bob, "PUT", "/update/root", 409},
		{nil, bob, "PUT", "/update/boot", 409},
		{nil, ann, "PUT", "/update/boot", 200},
		{nil, bob, "POST", "/update/switch", 409},
		{later, bob, "POST", "/update/switch", 409},
		{nil, bob, "PUT", "/update/root", 200},
		{nil, ann, "POST", "/update/switch", 409},
		{nil, bob, "PUT", "/update/boot", 200},
		{nil, bob, "POST", "/update/switch", 200},
		{nil, ann, "PUT", "/update/root", 200}, // Bob's is done
	} {
		if tt.before != nil {
			tt.before()
		}
		if got := send(tt.from, tt.method, tt.path, tt.from); got != tt.want {
			t.Errorf("step %d, %s %s by %s: got %d, want %d", i+1, tt.method, tt.path, tt.from, got, tt.want)
		}
	}
	if diff := cmp.Diff([]string{bob + "|" + bob}, d.installed); diff != "" {
		t.Errorf("installed (-want +got):\n%s", diff)
	}
}

func TestOtherSitesCannotUseABrowser(t *testing.T) {
	d := newDevice(t)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/reboot", nil)
	r.SetBasicAuth(User, password)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden || d.restarts != 0 {
		t.Errorf("got %d and %d restarts", w.Code, d.restarts)
	}
}

func TestWhatAnEarlierProcessLeftIsRemoved(t *testing.T) {
	d := newDevice(t)
	for _, name := range []string{rootFile, bootFile, partFile} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte("left"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := New(d.h.o); err != nil {
		t.Fatal(err)
	}
	if left := d.left(t); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
	o := d.h.o
	o.Dir = filepath.Join(d.dir, "file", "dir")
	if err := os.WriteFile(filepath.Join(d.dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(o); err == nil {
		t.Error("a directory that cannot be made is no error")
	}
}

func TestNoRoom(t *testing.T) {
	d := newDevice(t)
	target := d.mustTarget(t)
	if err := os.Mkdir(filepath.Join(d.dir, partFile), 0o700); err != nil { // so that the file cannot be made
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.dir, partFile, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := target.StreamTo(t.Context(), "root", strings.NewReader(noise(500_000)))
	if err == nil || !strings.Contains(err.Error(), "507") || strings.Contains(err.Error(), d.dir) || !strings.Contains(err.Error(), "could not be kept") {
		t.Errorf("got %v", err)
	}
}
