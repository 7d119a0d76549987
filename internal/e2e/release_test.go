//go:build vm

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/smartcore-ireland/hems/internal/update/bundle"
	"github.com/smartcore-ireland/hems/internal/update/sign"
)

// releases makes signed bundles out of the one that "make release" made of the
// image under test.
type releases struct {
	t      *testing.T
	base   *bundle.Bundle
	root   string // the base's root file system
	signer bundle.Signer
	made   int
}

func openReleases(t *testing.T) *releases {
	t.Helper()
	r := &releases{t: t, signer: signer(t)}
	path := underTest(t, "HEMS_BUNDLE", "hems-*"+bundle.Extension, "make release")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	trust, err := sign.ReadTrust(os.DirFS(filepath.Join(keys(t), "roots")))
	if err != nil {
		t.Fatal(err)
	}
	if r.base, err = bundle.Open(f, info.Size(), bundle.Policy{Trust: trust}); err != nil {
		t.Fatalf("the bundle under test: %v", err)
	}
	r.root = filepath.Join(t.TempDir(), "root.img")
	out, err := os.Create(r.root)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, r.base.Root().Open())
	if cerr := out.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	return r
}

// keys is the directory of the keys that the image under test trusts.
func keys(t *testing.T) string {
	t.Helper()
	return underTest(t, "HEMS_KEYS", "keys", "make keys")
}

// underTest is a file that was built before: named by a variable, or where make
// leaves it.
func underTest(t *testing.T, variable, built, command string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		path = filepath.Join("..", "..", "build", built)
		if found, _ := filepath.Glob(path); len(found) > 0 { // the pattern is a good one
			path = found[len(found)-1]
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("finding what is under test: %v: run \"%s\" first", err, command)
	}
	return path
}

func signer(t *testing.T) bundle.Signer {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(keys(t), name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	key, err := sign.ParseKey(read("signing.pem"))
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := sign.ParseCertificate(read("signing.cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return bundle.Signer{Key: key, Certificate: certificate}
}

// change replaces a file of the base by its name in the bundle.
type change map[string]bundle.Source

// version is the next version, newer than all before.
func (r *releases) version() string {
	r.made++
	return fmt.Sprintf("99.%d.0", r.made)
}

// release signs a bundle with what is changed in it.
func (r *releases) release(version string, c change) string {
	r.t.Helper()
	var sources []bundle.Source
	add := func(content bundle.Content, name string) {
		if s, ok := c[name]; ok {
			s.Name = name
			sources = append(sources, s)
			return
		}
		sources = append(sources, bundle.Source{Name: name, Size: content.Size, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(content.Open()), nil
		}})
	}
	for _, content := range r.base.Boot() {
		add(content, "boot/"+content.Name)
	}
	add(r.base.Root(), "root.img")
	path := filepath.Join(r.t.TempDir(), "hems-"+version+bundle.Extension)
	f, err := os.Create(path)
	if err != nil {
		r.t.Fatal(err)
	}
	m := bundle.Manifest{Version: version, Board: bundle.Board, Built: r.base.Manifest().Built}
	err = bundle.Write(f, m, sources, r.signer, nil)
	if cerr := f.Close(); err != nil || cerr != nil {
		r.t.Fatalf("making a release: %v %v", err, cerr)
	}
	return path
}

// file is a file of this machine in a bundle.
func file(t *testing.T, path string) bundle.Source {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return bundle.Source{Size: info.Size(), Open: func() (io.ReadCloser, error) { return os.Open(path) }}
}

// garbage has the size, or most bytes of it, and the first bytes of a file, and goes
// on as nothing that anything understands.
func garbage(t *testing.T, path string, keep, most int) bundle.Source {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b = b[:min(len(b), most)]
	rand.NewChaCha8([32]byte{1}).Read(b[keep:])
	return bundle.Source{Size: int64(len(b)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}
