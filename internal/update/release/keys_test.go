package release

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/update/sign"
)

func modes(t testing.TB, dir string) map[string]fs.FileMode {
	t.Helper()
	got := map[string]fs.FileMode{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		got[rel] = info.Mode().Perm()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestNewKeys(t *testing.T) {
	dir, root := keys(t)
	want := map[string]fs.FileMode{
		"root.pem": 0o600, "signing.pem": 0o600, "signing.pub.pem": 0o644, "signing.cert.pem": 0o644,
		"roots/root-" + root.String() + ".pem": 0o644,
	}
	before := modes(t, dir)
	if diff := cmp.Diff(want, before); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	trust, err := sign.ReadTrust(os.DirFS(filepath.Join(dir, RootsDir)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]sign.Public{root}, trust.Roots()); diff != "" {
		t.Errorf("roots (-want +got):\n%s", diff)
	}
	s, err := readSigner(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Certificate.Name != "the release machine" || s.Certificate.Root != root {
		t.Errorf("certificate %+v", s.Certificate)
	}
	content := func() string {
		b, err := os.ReadFile(filepath.Join(dir, SigningKeyFile))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	old := content()
	if _, err := NewKeys(dir, ""); err == nil || !strings.Contains(err.Error(), "is there already and is not replaced") {
		t.Errorf("making them again: got %v", err)
	}
	if err := NewSigningKey(dir); err == nil || !strings.Contains(err.Error(), "is there already and is not replaced") {
		t.Errorf("making a signing key again: got %v", err)
	}
	if content() != old {
		t.Error("a key was replaced")
	}
	if diff := cmp.Diff(before, modes(t, dir)); diff != "" {
		t.Errorf("files after refusing (-want +got):\n%s", diff)
	}
}

func TestCertify(t *testing.T) {
	ours, root := keys(t)
	dir := filepath.Join(t.TempDir(), "theirs")
	if err := NewSigningKey(dir); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]fs.FileMode{"signing.pem": 0o600, "signing.pub.pem": 0o644}, modes(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	public := filepath.Join(dir, SigningPubFile)
	for _, tt := range []struct {
		name, root, public, label string
		want                      string
		is                        error
	}{
		{"SigningKeyAsRoot", filepath.Join(ours, SigningKeyFile), public, "", "", sign.ErrWrongLevel},
		{"PrivateAsPublic", filepath.Join(ours, RootKeyFile), filepath.Join(dir, SigningKeyFile), "", "", sign.ErrPrivate},
		{"RootAsSigningKey", filepath.Join(ours, RootKeyFile), filepath.Join(ours, RootsDir, rootFile(root)), "", "", sign.ErrWrongLevel},
		{"NoRoot", "/nowhere/root.pem", public, "", "", fs.ErrNotExist},
		{"NoKey", filepath.Join(ours, RootKeyFile), "/nowhere/signing.pub.pem", "", "", fs.ErrNotExist},
		{"BadName", filepath.Join(ours, RootKeyFile), public, "a\nb", "printable ASCII", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Certify(tt.root, tt.public, tt.label)
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %v%s", err, tt.is, tt.want)
			}
		})
	}
	c, file, err := Certify(filepath.Join(ours, RootKeyFile), public, "")
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "release" || c.Root != root || file != filepath.Join(dir, CertificateFile) {
		t.Errorf("got %+v in %s", c, file)
	}
	if _, err := (Release{Image: card(t, slotFiles(), squash(9000)), Keys: dir}).Run(); err != nil {
		t.Errorf("a release with the certified key: %v", err)
	}
	if _, _, err := Certify(filepath.Join(ours, RootKeyFile), public, ""); !errors.Is(err, fs.ErrExist) {
		t.Errorf("certifying it again: got %v, want %v", err, fs.ErrExist)
	}
}

func TestCollectRoots(t *testing.T) {
	first, a := keys(t)
	second, b := keys(t)
	out := filepath.Join(t.TempDir(), "build", "roots")
	from := []string{filepath.Join(first, RootsDir), filepath.Join(second, RootsDir), filepath.Join(first, RootsDir), "/nowhere"}
	got, err := CollectRoots(out, from...)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]sign.Public{a, b}, got); diff != "" {
		t.Errorf("roots (-want +got):\n%s", diff)
	}
	want := map[string]fs.FileMode{rootFile(a): 0o644, rootFile(b): 0o644}
	if diff := cmp.Diff(want, modes(t, out)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if _, err := CollectRoots(out, from[1]); err != nil { // no longer trusted
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]fs.FileMode{rootFile(b): 0o644}, modes(t, out)); diff != "" {
		t.Errorf("files after a root was removed (-want +got):\n%s", diff)
	}
	if _, err := CollectRoots(out, "/nowhere"); err == nil || !strings.Contains(err.Error(), "make keys") {
		t.Errorf("without a root: got %v", err)
	}
	if err := os.WriteFile(filepath.Join(out, "mine.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := CollectRoots(out, from...); err == nil || !strings.Contains(err.Error(), "mine.txt is in the way") {
		t.Errorf("into a directory with something else: got %v", err)
	}
}

// TestNoPrivateKeyIsCollected puts private keys, under any name, where root keys
// are.
func TestNoPrivateKeyIsCollected(t *testing.T) {
	dir, _ := keys(t)
	for _, private := range []string{RootKeyFile, SigningKeyFile} {
		for _, name := range []string{"root-0.pem", "README", "key"} {
			from, out := t.TempDir(), t.TempDir()
			if err := os.CopyFS(from, os.DirFS(filepath.Join(dir, RootsDir))); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(filepath.Join(dir, private))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(from, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = CollectRoots(out, from)
			if isKey := filepath.Ext(name) == ".pem"; isKey != errors.Is(err, sign.ErrPrivate) {
				t.Errorf("%s as %s: got %v", private, name, err)
			}
			for file := range modes(t, out) {
				if b, err := os.ReadFile(filepath.Join(out, file)); err != nil || strings.Contains(string(b), "PRIVATE") {
					t.Errorf("%s as %s: %s has a private key: %v", private, name, file, err)
				}
			}
		}
	}
}

// TestTheImageTakesRootsFromWhereTheyAreCollected guards that nothing of the
// keys' own directory gets into the image: of build, config.json names the
// collected root keys alone.
func TestTheImageTakesRootsFromWhereTheyAreCollected(t *testing.T) {
	text, err := os.ReadFile("../../../config.json")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		PackageConfig map[string]struct{ ExtraFilePaths map[string]string }
	}
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, p := range config.PackageConfig {
		for to, from := range p.ExtraFilePaths {
			from = filepath.Clean(from)
			if to == "/etc/hems/roots" && from == "build/roots" {
				found = true
			} else if from == "." || from == "build" || strings.HasPrefix(from, "build/keys") || strings.HasPrefix(from, "build/roots") || strings.HasPrefix(from, "image/roots") {
				t.Errorf("%s is put into the image as %s", from, to)
			}
		}
	}
	if !found {
		t.Error("the image has no root keys in /etc/hems/roots")
	}
	entries, err := os.ReadDir("../../../image/roots")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if b, err := os.ReadFile(filepath.Join("../../../image/roots", e.Name())); err != nil || strings.Contains(string(b), "PRIVATE KEY") {
			t.Errorf("image/roots/%s has a private key: %v", e.Name(), err)
		}
	}
}
