package bundle

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/smartcore-ireland/hems/internal/update/sign"
)

// Policy says which bundles are taken.
type Policy struct {
	Trust      sign.Trust
	Board      string // Board, if empty
	Running    string // the version that runs
	AllowOlder bool   // take a version older than Running, too
	MaxSize    int64  // of the bundle, in bytes; DefaultMaxSize, if 0
	// Progress, if not nil, gets the bytes verified and to verify.
	Progress func(done, total int64)
}

func (p Policy) maxSize() int64 { return cmp.Or(p.MaxSize, DefaultMaxSize) }

// Bundle is one that was verified throughout.
type Bundle struct {
	r        io.ReaderAt
	manifest Manifest
	signedBy sign.Certificate
	offsets  []int64 // of the files' contents
}

// Content is a file of a bundle.
type Content struct {
	Name   string // for a boot file, below its slot's directory: "overlays/disable-bt.dtbo"
	Size   int64  // bytes
	SHA256 Sum
	file   *Bundle
	offset int64
}

// Open verifies a bundle of that size in bytes: the signature first, then what
// it claims to be, then each byte of the rest. A bundle that is not to be
// installed gives one of this package's or package sign's reasons; any other
// error is of reading r.
func Open(r io.ReaderAt, size int64, p Policy) (*Bundle, error) {
	if size > p.maxSize() {
		return nil, ErrTooLarge.With("%d MiB, at most %d MiB are taken", size>>20, p.maxSize()>>20)
	}
	h, err := readHead(io.NewSectionReader(r, 0, size), p)
	if err != nil {
		return nil, err
	}
	b := &Bundle{r: r, manifest: h.manifest, signedBy: h.signedBy}
	if err := b.verify(h.size, size, p); err != nil {
		return nil, err
	}
	return b, nil
}

// Peek verifies the beginning of a bundle and what it claims to be, as Open
// does, so that what would be refused in the end need not be read to its end.
// The contents are not verified: only Open says that a bundle is good.
func Peek(r io.Reader, p Policy) (Manifest, error) {
	h, err := readHead(r, p)
	return h.manifest, err
}

// Manifest is what the bundle says of itself.
func (b *Bundle) Manifest() Manifest { return b.manifest }

// SignedBy is whose signature it carries.
func (b *Bundle) SignedBy() sign.Certificate { return b.signedBy }

// Boot are the files of a slot's directory in the boot partition: the kernel,
// device trees and overlays. The command line is the device's own.
func (b *Bundle) Boot() []Content {
	var boot []Content
	for i, f := range b.manifest.Files[:len(b.manifest.Files)-1] {
		boot = append(boot, Content{strings.TrimPrefix(f.Name, bootDir), f.Size, f.SHA256, b, b.offsets[i]})
	}
	return boot
}

// Root is the root file system.
func (b *Bundle) Root() Content {
	i := len(b.manifest.Files) - 1
	f := b.manifest.Files[i]
	return Content{f.Name, f.Size, f.SHA256, b, b.offsets[i]}
}

// Open reads the file, and verifies it again while it is read: at its end comes
// ErrContents instead of io.EOF where it is not what was signed.
func (c Content) Open() io.Reader {
	return &verifying{r: io.NewSectionReader(c.file.r, c.offset, c.Size), h: sha256.New(), want: c}
}

type verifying struct {
	r    io.Reader
	h    hash.Hash
	want Content
	n    int64
}

func (v *verifying) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.h.Write(p[:n])
	v.n += int64(n)
	if err == io.EOF && (v.n != v.want.Size || Sum(v.h.Sum(nil)) != v.want.SHA256) {
		return n, ErrContents.With("%s changed since it was verified", v.want.Name)
	}
	return n, err
}

// head is the beginning of a bundle, verified.
type head struct {
	manifest Manifest
	signedBy sign.Certificate
	size     int64 // bytes up to the first file's header
}

// readHead reads the manifest and its signature, and verifies everything they
// can tell.
func readHead(r io.Reader, p Policy) (head, error) {
	manifestHeader, text, err := readMember(r, manifestName, maxManifest, ErrNotBundle.With("it does not begin with a manifest"))
	if err != nil {
		return head{}, err
	}
	signatureHeader, signature, err := readMember(r, signatureName, maxSignature, sign.ErrUnsigned)
	if err != nil {
		return head{}, err
	}
	size, signatureSize := sizeIn(manifestHeader), sizeIn(signatureHeader)
	signedBy, err := p.Trust.Verify(text[:size], signature[:signatureSize])
	if err != nil {
		return head{}, err
	}
	m, err := parseManifest(text[:size])
	if m.Product != Product && (err == nil || m.Product != "") {
		return head{}, ErrProduct.With("%q", m.Product)
	}
	if err != nil {
		return head{}, ErrNotBundle.With("the manifest: %w", err)
	}
	if want := cmp.Or(p.Board, Board); m.Board != want {
		return head{}, ErrBoard.With("%q, this is %q", m.Board, want)
	}
	if !p.AllowOlder && Older(m.Version, p.Running) {
		return head{}, ErrOlder.With("%s, and %s runs", m.Version, p.Running)
	}
	if *manifestHeader != *header(manifestName, size, m.Built) || *signatureHeader != *header(signatureName, signatureSize, m.Built) ||
		!zeros(text[size:]) || !zeros(signature[signatureSize:]) {
		return head{}, ErrContents.With("around the manifest")
	}
	return head{m, signedBy, int64(2*blockSize + len(text) + len(signature))}, nil
}

// readMember reads a member with its padding. other is the error for a member of
// another name.
func readMember(r io.Reader, name string, limit int64, other error) (*[blockSize]byte, []byte, error) {
	var h [blockSize]byte
	n, err := io.ReadFull(r, h[:])
	if !named(h[:n], name) {
		return nil, nil, other
	}
	if err != nil {
		return nil, nil, short(err)
	}
	size := sizeIn(&h)
	if size < 0 {
		return nil, nil, ErrNotBundle.With("the header of %s is not a tar archive's", name)
	}
	if size > limit {
		return nil, nil, ErrTooLarge.With("%s has %d bytes, at most %d are taken", name, size, limit)
	}
	b := make([]byte, padded(size))
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, nil, short(err)
	}
	return &h, b, nil
}

// verify goes through the files, which begin at offset.
func (b *Bundle) verify(offset, size int64, p Policy) error {
	total := offset + int64(len(end))
	for _, f := range b.manifest.Files { // no overflow: maxFiles times maxMember is less than 1<<44
		total += blockSize + padded(f.Size)
		b.offsets = append(b.offsets, total-padded(f.Size)-int64(len(end)))
	}
	switch {
	case total > p.maxSize():
		return ErrTooLarge.With("%d MiB, at most %d MiB are taken", total>>20, p.maxSize()>>20)
	case size < total:
		return ErrCutShort.With("it has %d bytes of %d", size, total)
	case size > total:
		return ErrContents.With("%d bytes follow its end", size-total)
	}
	done := offset
	buf := make([]byte, 64<<10)
	for i, f := range b.manifest.Files {
		at := b.offsets[i]
		if err := b.exactly(at-blockSize, header(f.Name, f.Size, b.manifest.Built)[:], "the header of "+f.Name); err != nil {
			return err
		}
		h := sha256.New()
		for left := f.Size; left > 0; {
			n, err := b.r.ReadAt(buf[:min(left, int64(len(buf)))], at+f.Size-left)
			if n == 0 && err != nil {
				return short(err)
			}
			h.Write(buf[:n])
			left -= int64(n)
			if done += int64(n); p.Progress != nil {
				p.Progress(done, total)
			}
		}
		if got := Sum(h.Sum(nil)); got != f.SHA256 {
			return ErrContents.With("%s has the SHA-256 %s, not %s", f.Name, got, f.SHA256)
		}
		if err := b.exactly(at+f.Size, end[:padded(f.Size)-f.Size], "what follows "+f.Name); err != nil {
			return err
		}
	}
	if err := b.exactly(total-int64(len(end)), end[:], "the end"); err != nil {
		return err
	}
	if p.Progress != nil {
		p.Progress(total, total)
	}
	return nil
}

// exactly says whether want is what is there.
func (b *Bundle) exactly(at int64, want []byte, what string) error {
	got := make([]byte, len(want))
	if n, err := b.r.ReadAt(got, at); n < len(got) {
		return short(err)
	}
	if !bytes.Equal(got, want) {
		return ErrContents.With("%s", what)
	}
	return nil
}

func zeros(b []byte) bool { return bytes.Count(b, end[:1]) == len(b) }

// short is the error for a read that failed.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrCutShort
	}
	return fmt.Errorf("reading the bundle: %w", err)
}
