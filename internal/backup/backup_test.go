package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/smartcore-ireland/hems/internal/backup/staged"
)

const passphrase = "four words of mine"

func TestMain(m *testing.M) {
	workFactor = 4 // scrypt's strength is age's business
	os.Exit(m.Run())
}

var made = time.Date(2026, 1, 24, 13, 25, 0, 0, time.UTC)

// plain are items without a snapshot.
var plain = []Item{
	{Path: "hems.yaml", Owner: "hems-manager"},
	{Path: "pki", Owner: "hems-manager"},
	{Path: "secrets", Owner: "hems-broker"},
	{Path: "broker", Owner: "hems-broker"},
	{Path: "gateway", Owner: "hems-gateway", Except: []string{"gateway/sessions.json"}},
	{Path: "zigbee", Owner: "hems-zigbee"},
}

// house fills a data directory as the processes do.
func house(t *testing.T, word string) string {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"hems.yaml":                "home: {name: " + word + "}\n",
		"pki/ca.key":               word,
		"secrets/mqtt-home":        word,
		"broker/retained.log":      strings.Repeat(word, 1000),
		"broker/.retained.log.tmp": "passing",
		"gateway/accounts.json":    word,
		"gateway/sessions.json":    "of this card",
		"zigbee/zigbee.json":       word,
		"zigbee/empty":             "",
		"manager/update.json":      "this card's own",
		"zigbee/deep/er/file":      word,
		"store/hems.db.lock":       "",
	})
	if err := os.Chmod(filepath.Join(dir, "hems.yaml"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "broker/mqtt.sock"), 0o600); err != nil { // would block who opens it
		t.Fatal(err)
	}
	if err := os.Symlink("../manager/update.json", filepath.Join(dir, "zigbee/link")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		name := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// files is the content of every regular file below dir.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		b, err := os.ReadFile(p)
		got[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func archived(t *testing.T, dir string, items []Item) (Manifest, []byte) {
	t.Helper()
	var out bytes.Buffer
	m, err := Write(context.Background(), &out, passphrase, Options{
		Data: dir, Items: items, Version: "1.2.3", HostName: "hems", Now: func() time.Time { return made },
	})
	if err != nil {
		t.Fatal(err)
	}
	return m, out.Bytes()
}

func TestWhatIsBackedUpIsRestoredOnAnotherCard(t *testing.T) {
	m, archive := archived(t, house(t, "mine"), plain)
	want := Manifest{Format: 1, MadeAt: made, Version: "1.2.3", HostName: "hems", Items: []Content{
		{Path: "hems.yaml", Owner: "hems-manager", Files: 1, Bytes: 19},
		{Path: "pki", Owner: "hems-manager", Files: 1, Bytes: 4},
		{Path: "secrets", Owner: "hems-broker", Files: 1, Bytes: 4},
		{Path: "broker", Owner: "hems-broker", Files: 1, Bytes: 4000},
		{Path: "gateway", Owner: "hems-gateway", Files: 1, Bytes: 4},
		{Path: "zigbee", Owner: "hems-zigbee", Files: 3, Bytes: 8},
	}}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	if bytes.Contains(archive, []byte("mine")) {
		t.Error("the archive shows what is in it")
	}

	other := house(t, "theirs")
	put(t, other, map[string]string{"zigbee/of-the-other": "x"})
	got, err := Stage(context.Background(), bytes.NewReader(archive), passphrase, other, plain)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifest read (-want +got):\n%s", diff)
	}
	if b, err := os.ReadFile(filepath.Join(other, "hems.yaml")); err != nil || !strings.Contains(string(b), "theirs") {
		t.Errorf("before the restart hems.yaml is %q, %v: want it untouched", b, err)
	}
	if _, err := staged.Apply(other); err != nil {
		t.Fatal(err)
	}
	after := files(t, other)
	delete(after, "manager/restored.json")
	wantFiles := map[string]string{
		"hems.yaml":             "home: {name: mine}\n",
		"pki/ca.key":            "mine",
		"secrets/mqtt-home":     "mine",
		"broker/retained.log":   strings.Repeat("mine", 1000),
		"gateway/accounts.json": "mine",
		"zigbee/zigbee.json":    "mine",
		"zigbee/empty":          "",
		"zigbee/deep/er/file":   "mine",
		"manager/update.json":   "this card's own",
		"store/hems.db.lock":    "",
	}
	if diff := cmp.Diff(wantFiles, after); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	fi, err := os.Stat(filepath.Join(other, "hems.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fi.Mode().Perm(), fs.FileMode(0o640); got != want {
		t.Errorf("mode of hems.yaml: got %v, want %v", got, want)
	}
}

// TestArchiveOpensWithOrdinaryPrograms holds its documented form: age, gzip, tar.
func TestArchiveOpensWithOrdinaryPrograms(t *testing.T) {
	_, archive := archived(t, house(t, "mine"), plain)
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(bytes.NewReader(archive), id)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	want := []string{"backup.json", "hems.yaml", "pki/", "pki/ca.key", "secrets/", "secrets/mqtt-home", "broker/", "broker/retained.log",
		"gateway/", "gateway/accounts.json", "zigbee/", "zigbee/deep/", "zigbee/deep/er/", "zigbee/deep/er/file", "zigbee/empty", "zigbee/zigbee.json"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

func TestPassphrase(t *testing.T) {
	for _, p := range []string{"", "short", "elevenchars", "ááááááááááá", strings.Repeat("x", MaxPassphrase+1), "with a\nline break", "not UTF-8 \xff at all"} {
		if err := CheckPassphrase(p); err == nil {
			t.Errorf("%q: no error", p)
		}
	}
	for _, p := range []string{"twelve chars", "áááááááááááá", strings.Repeat("x", MaxPassphrase)} {
		if err := CheckPassphrase(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	_, err := Write(context.Background(), io.Discard, "short", Options{Data: t.TempDir()})
	if !errors.Is(err, ErrWeak) {
		t.Errorf("a backup with a short one: got error %v, want %v", err, ErrWeak)
	}
}

func TestStageRefuses(t *testing.T) {
	_, whole := archived(t, house(t, "mine"), plain)
	_, other := archived(t, house(t, "mine"), append(plain[:len(plain):len(plain)], Item{Path: "manager", Owner: "hems-manager"}))
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	manifest := member{name: manifestName, body: list(t, "zigbee")}
	for _, tt := range []struct {
		name    string
		archive []byte
		want    error
	}{
		{"Nothing", nil, ErrForeign},
		{"NotAge", []byte("PK\x03\x04 and so on"), ErrForeign},
		{"HeaderCutShort", whole[:60], ErrDamaged},
		{"CutShort", whole[:len(whole)-1], ErrDamaged},
		{"CutInTheMiddle", whole[:len(whole)/2], ErrDamaged},
		{"OneBitFlipped", flipped, ErrDamaged},
		{"MoreAfterIt", append(bytes.Clone(whole), 0), ErrDamaged},
		{"LockedWithAKey", lockFor(t, identity.Recipient(), []byte("x")), ErrForeign},
		{"StrongerLock", stronger(t), ErrForeign},
		{"NoGzip", locked(t, []byte("hello, this is no gzip")), ErrForeign},
		{"NoTar", locked(t, zipped(t, []byte("hello"))), ErrDamaged},
		{"EmptyTar", pack(t), ErrForeign},
		{"NoManifest", pack(t, member{name: "zigbee/", kind: tar.TypeDir}), ErrForeign},
		{"ManifestNotJSON", pack(t, member{name: manifestName, body: "{"}), ErrForeign},
		{"ManifestTooLong", pack(t, member{name: manifestName, body: strings.Repeat(" ", maxManifest+1)}), ErrRefused},
		{"NewerFormat", pack(t, member{name: manifestName, body: `{"format":2,"version":"9.9"}`}), ErrNewer},
		{"ItemOfALaterVersion", other, ErrNewer},
		{"ItemOutside", pack(t, member{name: manifestName, body: list(t, "../etc")}), ErrRefused},
		{"ItemTwice", pack(t, member{name: manifestName, body: list(t, "zigbee", "zigbee")}), ErrRefused},
		{"NoItems", pack(t, member{name: manifestName, body: list(t)}), ErrRefused},
		{"NegativeSize", pack(t, member{name: manifestName, body: `{"format":1,"items":[{"path":"zigbee","bytes":-1}]}`}), ErrRefused},
		{"LargerThanTheCard", pack(t, member{name: manifestName, body: `{"format":1,"items":[{"path":"zigbee","bytes":9000000000000000}]}`}), ErrNoSpace},
		{"ItemMissing", pack(t, manifest), ErrDamaged},
		{"FileOutsideItsItems", pack(t, manifest, zigbee, member{name: "pki/ca.key", body: "x"}), ErrRefused},
		{"Absolute", pack(t, manifest, zigbee, member{name: "/etc/passwd", body: "x"}), ErrRefused},
		{"DotDot", pack(t, manifest, zigbee, member{name: "zigbee/../pki", body: "x"}), ErrRefused},
		{"DotDotBelow", pack(t, manifest, zigbee, member{name: "zigbee/../../x", body: "x"}), ErrRefused},
		{"NotClean", pack(t, manifest, zigbee, member{name: "zigbee//x", body: "x"}), ErrRefused},
		{"ControlCharacter", pack(t, manifest, zigbee, member{name: "zigbee/\x07", body: "x"}), ErrRefused},
		{"Backslash", pack(t, manifest, zigbee, member{name: `zigbee/..\x`, body: "x"}), ErrRefused},
		{"LongName", pack(t, manifest, zigbee, member{name: "zigbee/" + strings.Repeat("x", maxName), body: "x"}), ErrRefused},
		{"NeighbourByName", pack(t, manifest, zigbee, member{name: "zigbee2/x", body: "x"}), ErrRefused},
		{"SymbolicLink", pack(t, manifest, zigbee, member{name: "zigbee/x", kind: tar.TypeSymlink, link: "/etc"}), ErrRefused},
		{"HardLink", pack(t, manifest, zigbee, member{name: "zigbee/x", kind: tar.TypeLink, link: "hems.yaml"}), ErrRefused},
		{"Device", pack(t, manifest, zigbee, member{name: "zigbee/x", kind: tar.TypeBlock}), ErrRefused},
		{"Fifo", pack(t, manifest, zigbee, member{name: "zigbee/x", kind: tar.TypeFifo}), ErrRefused},
		{"FileTwice", pack(t, manifest, zigbee, member{name: "zigbee/x", body: "x"}, member{name: "zigbee/x", body: "y"}), ErrRefused},
		{"BelowAFile", pack(t, manifest, zigbee, member{name: "zigbee/x", body: "x"}, member{name: "zigbee/x/y", body: "y"}), ErrRefused},
		{"InNoDirectory", pack(t, manifest, zigbee, member{name: "zigbee/a/b/c", body: "x"}), ErrRefused},
		{"SecondManifest", pack(t, manifest, zigbee, manifest), ErrRefused},
		{"SomethingFollowsTheTar", locked(t, zipped(t, append(tarred(t, manifest, zigbee), "x"...))), ErrRefused},
		{"SomethingFollowsTheGzip", locked(t, append(zipped(t, tarred(t, manifest, zigbee)), "x"...)), ErrRefused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := house(t, "theirs")
			want := files(t, dir)
			_, err := Stage(context.Background(), bytes.NewReader(tt.archive), passphrase, dir, plain)
			if !errors.Is(err, tt.want) {
				t.Errorf("got error %v, want %v", err, tt.want)
			}
			if staged.Waiting(dir) {
				t.Error("it waits to be restored")
			}
			if diff := cmp.Diff(want, files(t, dir)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStageWithAnotherPassphraseIsAnErrorOfItsOwn(t *testing.T) {
	_, archive := archived(t, house(t, "mine"), plain)
	for _, p := range []string{"another passphrase", "", strings.Repeat("x", MaxPassphrase+1)} {
		if _, err := Stage(context.Background(), bytes.NewReader(archive), p, t.TempDir(), plain); !errors.Is(err, ErrWrong) {
			t.Errorf("%.20q: got error %v, want %v", p, err, ErrWrong)
		}
	}
}

func TestTroubleOfTheConnectionIsNotDamage(t *testing.T) {
	_, archive := archived(t, house(t, "mine"), plain)
	broken := errors.New("the cable was pulled")
	r := io.MultiReader(bytes.NewReader(archive[:len(archive)/2]), failing{broken})
	_, err := Stage(context.Background(), r, passphrase, house(t, "theirs"), plain)
	if !errors.Is(err, broken) || errors.Is(err, ErrDamaged) {
		t.Errorf("got error %v, want %v alone", err, broken)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Stage(ctx, bytes.NewReader(archive), passphrase, house(t, "theirs"), plain); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
	if _, err := Write(ctx, io.Discard, passphrase, Options{Data: house(t, "mine"), Items: plain}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestMemoryDoesNotGrowWithTheFiles backs up and restores 96 MB with 16.
func TestMemoryDoesNotGrowWithTheFiles(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"zigbee/x": "x"})
	f, err := os.Create(filepath.Join(dir, "zigbee", "large"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(f, rand.Reader, 96<<20); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	items := []Item{{Path: "zigbee", Owner: "hems-zigbee"}}
	pr, pw := io.Pipe()
	go func() {
		_, err := Write(context.Background(), pw, passphrase, Options{Data: dir, Items: items})
		pw.CloseWithError(err)
	}()
	peak := &watchful{r: pr}
	if _, err := Stage(context.Background(), peak, passphrase, t.TempDir(), items); err != nil {
		t.Fatal(err)
	}
	if got, most := peak.most, uint64(16<<20); got > most {
		t.Errorf("%d MB of memory in use, want at most %d", got>>20, most>>20)
	}
	if peak.n < 96<<20 {
		t.Errorf("the archive has %d bytes", peak.n)
	}
}

// watchful notes the memory in use after every 8 MB.
type watchful struct {
	r       io.Reader
	n, next int64
	most    uint64
}

func (w *watchful) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if w.n += int64(n); w.n >= w.next {
		w.next += 8 << 20
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		w.most = max(w.most, s.HeapInuse)
	}
	return n, err
}

// member is one of a tar made by hand.
type member struct {
	name string
	kind byte // 0: a file
	body string
	link string
}

var zigbee = member{name: "zigbee/", kind: tar.TypeDir}

func list(t testing.TB, paths ...string) string {
	t.Helper()
	m := Manifest{Format: Format}
	for _, p := range paths {
		m.Items = append(m.Items, Content{Path: p})
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func tarred(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Typeflag: m.kind, Name: m.name, Linkname: m.link, Mode: 0o600, Size: int64(len(m.body))}
		if m.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func lockFor(t testing.TB, r age.Recipient, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := age.Encrypt(&out, r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func locked(t testing.TB, b []byte) []byte {
	t.Helper()
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	r.SetWorkFactor(workFactor)
	return lockFor(t, r, b)
}

func stronger(t testing.TB) []byte {
	t.Helper()
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	r.SetWorkFactor(workFactor + 1)
	return lockFor(t, r, []byte("x"))
}

func pack(t testing.TB, members ...member) []byte {
	t.Helper()
	return locked(t, zipped(t, tarred(t, members...)))
}

func FuzzUnpack(f *testing.F) {
	manifest := member{name: manifestName, body: list(f, "zigbee", "hems.yaml")}
	f.Add(tarred(f, manifest, zigbee, member{name: "zigbee/x", body: "x"}, member{name: "hems.yaml", body: "home:"}))
	f.Add(tarred(f, manifest, zigbee, member{name: "zigbee/../../x", body: "x"}))
	f.Add(tarred(f, manifest, zigbee, member{name: "zigbee/x", kind: tar.TypeSymlink, link: "/"}, member{name: "zigbee/x/y", body: "x"}))
	f.Add([]byte("hello"))
	f.Fuzz(func(t *testing.T, b []byte) {
		outer := t.TempDir()
		inner := filepath.Join(outer, "in", "side")
		if err := os.MkdirAll(inner, 0o700); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(inner)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		u := &unpacking{root: root, items: plain, free: 1 << 20}
		err = u.tar(bytes.NewReader(b))
		n := int64(0)
		werr := filepath.WalkDir(outer, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(outer, p)
			if !strings.HasPrefix("in/side", rel) && !strings.HasPrefix(rel, "in/side/") && rel != "." {
				t.Errorf("%s was made outside", rel)
			}
			if !d.IsDir() && !d.Type().IsRegular() {
				t.Errorf("%s is neither a file nor a directory", rel)
			}
			if fi, err := d.Info(); err == nil && !d.IsDir() {
				n += fi.Size()
			}
			return nil
		})
		if werr != nil {
			t.Fatal(werr)
		}
		if n > 1<<20+1 {
			t.Errorf("%d bytes were written, want at most 1 MB", n)
		}
		if err == nil {
			for _, c := range u.manifest.Items {
				if _, err := os.Stat(filepath.Join(inner, c.Path)); err != nil {
					t.Errorf("no error, and yet: %v", err)
				}
			}
		}
	})
}
