package updates

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/update/bootpart"
	"github.com/smartcore-ireland/hems/internal/update/bundle"
	"github.com/smartcore-ireland/hems/internal/update/sign"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

const (
	partUUID = "60c24cc1-f3f9-427a-8199-1f73bb360001"
	board    = "test-board"
)

// rig is a card of files, what stands for the board's firmware, and a house.
type rig struct {
	t      *testing.T
	dir    string
	signer bundle.Signer
	trust  sign.Trust

	slot  slot.Slot // that runs
	m     *Machine  // its manager
	began time.Time // of this start

	mu       sync.Mutex
	house    House
	set      Settings
	free     int64
	restarts []string // arguments of End in this start
	failing  func(name string) error
}

func made[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func random(name string, n int) []byte {
	r := rand.NewChaCha8(sha256.Sum256([]byte(name)))
	b := make([]byte, n)
	r.Read(b)
	return b
}

// a system's files
func root(version string) []byte {
	b := random(version, 40<<10)
	copy(b, "hsqs")
	binary.LittleEndian.PutUint64(b[40:], uint64(len(b)-100))
	return b
}

func bootFiles(version string) map[string][]byte {
	return map[string][]byte{
		"vmlinuz.gz":      append([]byte{0x1f, 0x8b}, random("k"+version, 20<<10)...),
		"test.dtb":        random("d"+version, 900),
		"overlays/README": []byte("overlays\n"),
	}
}

func content(version string) slot.Content {
	c := slot.Content{Version: version, Root: bytes.NewReader(root(version)), RootSize: int64(len(root(version))), PartUUID: partUUID}
	for _, name := range []string{"vmlinuz.gz", "test.dtb", "overlays/README"} {
		c.Boot = append(c.Boot, bootpart.File{Name: name, Data: bootFiles(version)[name]})
	}
	return c
}

// newRig is a card on which 1.0.0 runs from slot a.
func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), slot: slot.A, free: 1 << 30}
	top, key := made(sign.NewRoot()), made(sign.NewKey())
	r.signer = bundle.Signer{Key: key, Certificate: made(top.Certify(key.Public(), "test"))}
	r.trust = sign.NewTrust(top.Public())
	for name, size := range map[string]int64{"boot": 2 << 20, "a": 128 << 10, "b": 128 << 10} {
		if err := os.WriteFile(filepath.Join(r.dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dev := made(slot.OpenDevice(filepath.Join(r.dir, "boot")))
	defer dev.Close()
	if err := bootpart.Format(dev, dev.Size(), bootpart.Options{SharedClusters: 384, SlotClusters: 512, Sectors: slot.Sectors(slot.A)}); err != nil {
		t.Fatal(err)
	}
	first := content("1.0.0")
	files := made(slot.BootFiles(slot.A, first, slot.DigestOf(root("1.0.0"))))
	if err := bootpart.WriteSlot(dev, slot.A, files); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "a"), append(root("1.0.0"), make([]byte, 128<<10-len(root("1.0.0")))...), 0o600); err != nil {
		t.Fatal(err)
	}
	r.well()
	return r
}

// well makes the house whole, with a reading that has just come.
func (r *rig) well() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.house = House{Reading: time.Now()}
}

func (r *rig) setHouse(change func(*House)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.house)
}

// device is a partition that can be made to fail.
type device struct {
	*slot.Disk
	r    *rig
	name string
}

func (d device) WriteAt(p []byte, off int64) (int, error) {
	d.r.mu.Lock()
	failing := d.r.failing
	d.r.mu.Unlock()
	if failing != nil {
		if err := failing(d.name); err != nil {
			return 0, err
		}
	}
	return d.Disk.WriteAt(p, off)
}

func (r *rig) card() *slot.Card {
	open := func(name string) slot.Device {
		d := made(slot.OpenDevice(filepath.Join(r.dir, name)))
		r.t.Cleanup(func() { d.Close() })
		return device{d, r, name}
	}
	return made(slot.New(slot.Parts{Boot: open("boot"), Roots: map[slot.Slot]slot.Device{slot.A: open("a"), slot.B: open("b")}}, r.slot))
}

// version is the version that stands in the running slot.
func (r *rig) version() string { return made(r.card().Look(r.slot)).Version }

// boot is the firmware and the first process, after the machine was restarted
// with an argument; then the manager starts unless the system does not get there.
func (r *rig) boot(argument string, manager bool) {
	r.t.Helper()
	dev := made(slot.OpenDevice(filepath.Join(r.dir, "boot")))
	name := bootpart.ConfigFile
	if argument == tryOnce {
		name = bootpart.TryFile
	}
	r.slot = slot.ParseConfig(made(bootpart.ReadSector(dev, name)))
	dev.Close()
	if err := os.RemoveAll(filepath.Join(r.dir, "runtime")); err != nil {
		r.t.Fatal(err)
	}
	r.began = time.Now()
	b := made(r.card().CountBoot(r.t.Context()))
	r.mu.Lock()
	r.restarts = nil
	r.mu.Unlock()
	if b.GaveUp {
		r.boot("", manager)
		return
	}
	if manager {
		r.manager()
	}
}

// manager starts the manager's process.
func (r *rig) manager() {
	r.t.Helper()
	r.m = made(New(Options{
		Dir: filepath.Join(r.dir, "manager"), Runtime: filepath.Join(r.dir, "runtime"), Card: r.card(), PartUUID: partUUID,
		Version: r.version(), Policy: bundle.Policy{Board: board}, Trust: r.trust, TrialLimit: 300 * time.Second,
		Settings: func() Settings { r.mu.Lock(); defer r.mu.Unlock(); return r.set },
		House:    func() House { r.mu.Lock(); defer r.mu.Unlock(); return r.house },
		End: func(argument, _ string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.restarts = append(r.restarts, argument)
		},
		Free:   func() (int64, error) { r.mu.Lock(); defer r.mu.Unlock(); return r.free, nil },
		Uptime: func() time.Duration { return time.Since(r.began) + time.Second },
		Log:    slog.New(slog.DiscardHandler),
	}))
}

// restarted is the argument of the restart that was asked for, if one was.
func (r *rig) restarted() (argument string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.restarts) == 0 {
		return "", false
	}
	return r.restarts[0], true
}

// live ticks for so long, or until the manager asks for a restart.
func (r *rig) live(d time.Duration) (argument string, restarted bool) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(2 * time.Second) {
		r.m.Tick()
		if argument, ok := r.restarted(); ok {
			return argument, true
		}
	}
	return "", false
}

// bundle is a release, signed.
func (r *rig) bundle(version string) []byte {
	r.t.Helper()
	files := []bundle.Source{bundle.Bytes("root.img", root(version))}
	for name, data := range bootFiles(version) {
		files = append(files, bundle.Bytes("boot/"+name, data))
	}
	var b bytes.Buffer
	m := bundle.Manifest{Version: version, Board: board, Built: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Notes: "notes"}
	if err := bundle.Write(&b, m, files, r.signer, nil); err != nil {
		r.t.Fatal(err)
	}
	return b.Bytes()
}

// update sends a release and waits for the restart; it returns its argument.
func (r *rig) update(version string) string {
	r.t.Helper()
	b := r.bundle(version)
	if err := r.m.Receive(context.Background(), bytes.NewReader(b), int64(len(b)), false); err != nil {
		r.t.Fatal(err)
	}
	return r.await()
}

// await waits for the manager to ask for a restart.
func (r *rig) await() string {
	r.t.Helper()
	for range 1000 {
		if argument, ok := r.restarted(); ok {
			return argument
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("no restart; the update is %+v", r.m.View())
	return ""
}

// left are the files of the staging directory.
func (r *rig) left() (names []string) {
	for _, e := range made(os.ReadDir(filepath.Join(r.dir, "manager", "staging"))) {
		names = append(names, e.Name())
	}
	return names
}

// verdict is the verdict in short: "installed 1.1.0: why".
func (r *rig) verdict() string {
	v := r.m.View().Verdict
	if v == nil {
		return ""
	}
	s := string(v.Result) + " " + v.Version
	if v.Why != "" {
		s += ": " + v.Why
	}
	return s
}

// torn is a reader that ends with an error in the middle.
func torn(b []byte) io.Reader {
	return io.MultiReader(bytes.NewReader(b[:len(b)/2]), readError{})
}

type readError struct{}

func (readError) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
