package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/update/refusal"
	"github.com/smartcore-ireland/hems/internal/update/sign"
)

// TestOpenRefuses is the table of every way in which a bundle is refused. The
// signatures' own are in package sign.
func TestOpenRefuses(t *testing.T) {
	m, stranger := newMaker(t), newMaker(t)
	good := m.release(t)
	none := func(*Manifest) {}
	with := func(name string, b []byte) map[string][]byte {
		c := maps.Clone(contents)
		c[name] = b
		return c
	}
	files := func(change func(f []File) []File) []byte {
		return m.forge(t, func(m *Manifest) { m.Files = change(m.Files) }, order, contents)
	}
	swapped := slices.Clone(order)
	swapped[1], swapped[2] = swapped[2], swapped[1]
	insert := func(name string) []string { return slices.Insert(slices.Clone(order), 2, name) }
	lots := make([]File, maxFiles+1)

	// The manifest and signature by themselves.
	text := good[blockSize:][:sizeIn((*[blockSize]byte)(good))]
	signed := made(m.key.Sign(text, m.signer.Certificate)).Encode()
	parts := func(text, signature []byte) map[string][]byte {
		return map[string][]byte{manifestName: text, signatureName: signature}
	}
	all := append([]string{manifestName, signatureName}, order...)
	signing := func(text string) []byte {
		return archive(built, all, parts([]byte(text), made(m.key.Sign([]byte(text), m.signer.Certificate)).Encode()), contents)
	}

	for _, tt := range []struct {
		name   string
		bundle []byte
		change func(p *Policy)
		want   *refusal.Refusal
	}{
		{"Empty", nil, nil, ErrCutShort},
		{"Text", []byte("hello"), nil, ErrNotBundle},
		{"Zip", []byte("PK\x03\x04" + strings.Repeat("\x00", 2000)), nil, ErrNotBundle},
		{"Zeros", make([]byte, 4096), nil, ErrNotBundle},
		{"OtherArchive", archive(built, []string{"root.img"}, contents), nil, ErrNotBundle},
		{"RootFirst", slices.Concat(archive(built, []string{"root.img"}, contents)[:3*blockSize], good), nil, ErrNotBundle},
		{"SignatureFirst", archive(built, []string{signatureName, manifestName}, parts(text, signed)), nil, ErrNotBundle},
		{"ManifestIsNotJSON", signing("hello"), nil, ErrNotBundle},
		{"ManifestIsEmpty", signing(""), nil, ErrNotBundle},
		{"ManifestIsNull", signing("null"), nil, ErrNotBundle},
		{"FormatToCome", m.forge(t, func(m *Manifest) { m.Format = 2 }, order, contents), nil, ErrNotBundle},
		{"NoVersion", m.forge(t, func(m *Manifest) { m.Version = "" }, order, contents), nil, ErrNotBundle},
		{"VersionWithV", m.forge(t, func(m *Manifest) { m.Version = "v1.2.3" }, order, contents), nil, ErrNotBundle},
		{"NeverBuilt", m.forge(t, func(m *Manifest) { m.Built = time.Time{} }, order, contents), nil, ErrNotBundle},
		{"BuiltTooLateForTar", m.forge(t, func(m *Manifest) { m.Built = time.Unix(1<<33, 0) }, order, contents), nil, ErrNotBundle},
		{"ShortSum", signing(strings.Replace(string(text), `"sha256": "`, `"sha256": "0`, 1)), nil, ErrNotBundle},

		{"Unsigned", archive(built, append([]string{manifestName}, order...), parts(text, nil), contents), nil, sign.ErrUnsigned},
		{"EmptySignature", archive(built, all, parts(text, []byte{}), contents), nil, sign.ErrUnsigned},
		{"OtherSignature", archive(built, all, parts(text, made(m.key.Sign([]byte("other"), m.signer.Certificate)).Encode()), contents), nil, sign.ErrBadSignature},
		{"GarbageForASignature", archive(built, all, parts(text, []byte("signed")), contents), nil, sign.ErrBadSignature},
		{"UnknownKey", stranger.release(t), nil, sign.ErrUnknownKey},
		{"NothingTrusted", good, func(p *Policy) { p.Trust = sign.Trust{} }, sign.ErrUnknownKey},
		{"WrongLevel", archive(built, all, parts(text, made(rootAsKey(m).Sign(text, rootCertificate(m))).Encode()), contents), nil, sign.ErrWrongLevel},
		{"SignatureBeforeEverythingElse", m.forgeBadly(t), nil, sign.ErrBadSignature},

		{"Older", good, func(p *Policy) { p.Running = "1.2.4" }, ErrOlder},
		{"OtherBoard", m.forge(t, func(m *Manifest) { m.Board = "pc-amd64" }, order, contents), nil, ErrBoard},
		{"OnAnotherBoard", good, func(p *Policy) { p.Board = "pc-amd64" }, ErrBoard},
		{"NoBoard", m.forge(t, func(m *Manifest) { m.Board = "" }, order, contents), nil, ErrBoard},
		{"OtherProduct", m.forge(t, func(m *Manifest) { m.Product = "toaster" }, order, contents), nil, ErrProduct},
		{"OtherProductOfAnotherFormat", signing(`{"product":"toaster","format":7}`), nil, ErrProduct},
		{"NoProduct", m.forge(t, func(m *Manifest) { m.Product = "" }, order, contents), nil, ErrProduct},

		{"LargerThanAllowed", good, func(p *Policy) { p.MaxSize = int64(len(good)) - 1 }, ErrTooLarge},
		{"ListsMoreThanAllowed", files(func(f []File) []File { f[len(f)-1].Size = DefaultMaxSize; return f }), nil, ErrTooLarge},
		{"HugeManifest", slices.Concat(header(manifestName, maxMember, built)[:], good[blockSize:]), nil, ErrTooLarge},
		{"HugeSignature", archive(built, all, parts(text, make([]byte, maxSignature+1)), contents), nil, ErrTooLarge},
		{"ListsTooMany", files(func(f []File) []File { return slices.Insert(f, 1, lots...) }), nil, ErrNotBundle},
		{"ListsNegativeSize", files(func(f []File) []File { f[1].Size = -512; return f }), nil, ErrNotBundle},
		{"ListsHugeSize", files(func(f []File) []File { f[1].Size = 1<<63 - 1; return f }), nil, ErrNotBundle},

		{"ListsNothing", files(func(f []File) []File { return nil }), nil, ErrNotBundle},
		{"ListsNoKernel", files(func(f []File) []File { return f[1:] }), nil, ErrNotBundle},
		{"ListsNoRoot", files(func(f []File) []File { return f[:len(f)-1] }), nil, ErrNotBundle},
		{"ListsTwice", files(func(f []File) []File { return slices.Insert(f, 1, f[1]) }), nil, ErrNotBundle},
		{"TwoKernels", files(func(f []File) []File { return slices.Insert(f, 1, f[0]) }), nil, ErrNotBundle},
		{"ListsOutOfOrder", m.forge(t, none, swapped, contents), nil, ErrNotBundle},
		{"CommandLine", m.forge(t, none, insert("boot/cmdline.txt"), with("boot/cmdline.txt", []byte("x"))), nil, ErrNotBundle},
		{"Firmware", m.forge(t, none, insert("boot/start.elf"), with("boot/start.elf", []byte("x"))), nil, ErrNotBundle},
		{"EEPROM", m.forge(t, none, insert("boot/pieeprom.upd"), with("boot/pieeprom.upd", []byte("x"))), nil, ErrNotBundle},
		{"Absolute", m.forge(t, none, insert("/boot/a.dtb"), with("/boot/a.dtb", []byte("x"))), nil, ErrNotBundle},
		{"Traversal", m.forge(t, none, insert("boot/../a.dtb"), with("boot/../a.dtb", []byte("x"))), nil, ErrNotBundle},
		{"TraversalOfOverlays", m.forge(t, none, insert("boot/overlays/../a.dtb"), with("boot/overlays/../a.dtb", []byte("x"))), nil, ErrNotBundle},
		{"Hidden", m.forge(t, none, insert("boot/.dtb"), with("boot/.dtb", []byte("x"))), nil, ErrNotBundle},
		{"NameWithZero", m.forge(t, none, insert("boot/a.dtb\x00.dtb"), with("boot/a.dtb\x00.dtb", []byte("x"))), nil, ErrNotBundle},
		{"NameWithNewline", m.forge(t, none, insert("boot/a.dtb\n"), with("boot/a.dtb\n", []byte("x"))), nil, ErrNotBundle},
		{"NameThatFoldsOntoAnother", m.forge(t, none, insert("boot/BCM2711-rpi-4-b.dtb"), with("boot/BCM2711-rpi-4-b.dtb", []byte("x"))), nil, ErrNotBundle},
		{"LongName", m.forge(t, none, insert("boot/"+strings.Repeat("a", 61)+".dtb"), with("boot/"+strings.Repeat("a", 61)+".dtb", []byte("x"))), nil, ErrNotBundle},

		{"MoreAfterTheEnd", append(bytes.Clone(good), 0), nil, ErrContents},
		{"ABlockAfterTheEnd", append(bytes.Clone(good), make([]byte, blockSize)...), nil, ErrContents},
		{"TwoBundles", append(bytes.Clone(good), good...), nil, ErrContents},
		{"MembersSwapped", archive(built, append([]string{manifestName, signatureName}, swapped...), parts(text, signed), contents), nil, ErrContents},
		{"MemberMissing", archive(built, slices.Delete(slices.Clone(all), 3, 4), parts(text, signed), contents), nil, ErrCutShort},
		{"MemberTwice", archive(built, slices.Insert(slices.Clone(all), 3, all[3]), parts(text, signed), contents), nil, ErrContents},
		{"MemberNotListed", archive(built, append(slices.Clone(all), "boot/z.dtb"), parts(text, signed), with("boot/z.dtb", []byte("x"))), nil, ErrContents},
		{"MemberOfAnotherSize", archive(built, all, parts(text, signed), with("boot/bcm2711-rpi-4-b.dtb", []byte("trees"))), nil, ErrContents},
		{"OtherMember", archive(built, all, parts(text, signed), with("boot/bcm2711-rpi-4-b.dtb", []byte("free"))), nil, ErrContents},
		{"OtherRoot", archive(built, all, parts(text, signed), with("root.img", bytes.Repeat([]byte("shqs"), 256))), nil, ErrContents},
		{"OtherTime", archive(built.Add(time.Second), all, parts(text, signed), contents), nil, ErrContents},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := m.policy()
			if tt.change != nil {
				tt.change(&p)
			}
			b, err := open(tt.bundle, p)
			if !errors.Is(err, tt.want) || refusal.Of(err) != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if b != nil {
				t.Error("a refused bundle is handed out")
			}
		})
	}
}

// forgeBadly is for another product and board, older and too large; but the
// first thing wrong with it is its signature.
func (m *maker) forgeBadly(t *testing.T) []byte {
	b := m.forge(t, func(m *Manifest) {
		m.Product, m.Board, m.Version, m.Format, m.Files = "toaster", "oven", "0.0.1", 9, nil
	}, order, contents)
	return bytes.Replace(b, []byte("toaster"), []byte("roaster"), 1)
}

// rootAsKey is the root key in the file of a signing key.
func rootAsKey(m *maker) sign.Key {
	return made(sign.ParseKey(bytes.ReplaceAll(m.root.Encode(), []byte("ROOT"), []byte("SIGNING"))))
}

// rootCertificate is a certificate of the root key itself, by a root that does
// not know what it does.
func rootCertificate(m *maker) sign.Certificate {
	c := made(made(sign.NewRoot()).Certify(m.root.Public(), "root"))
	c.Root = m.root.Public()
	return c
}

// TestCutShort cuts a bundle at each border of a block, beside it, and between.
func TestCutShort(t *testing.T) {
	m := newMaker(t)
	good := m.release(t)
	for n := range good {
		if at := n % blockSize; at > 2 && at < blockSize-2 && at%101 != 0 {
			continue
		}
		if _, err := open(good[:n], m.policy()); refusal.Of(err) != ErrCutShort {
			t.Fatalf("cut at %d of %d: got %v, want %v", n, len(good), err, ErrCutShort)
		}
		// The disk has less than was announced.
		if _, err := Open(bytes.NewReader(good[:n]), int64(len(good)), m.policy()); refusal.Of(err) != ErrCutShort {
			t.Fatalf("%d of %d on the disk: got %v, want %v", n, len(good), err, ErrCutShort)
		}
	}
}

// TestFlippedBitsAreSeen flips a bit of every seventh byte, in every part.
func TestFlippedBitsAreSeen(t *testing.T) {
	m := newMaker(t)
	file := m.release(t)
	for i := 0; i < len(file); i += 7 {
		bit := byte(1) << (i % 8)
		file[i] ^= bit
		if _, err := open(file, m.policy()); refusal.Of(err) == nil {
			t.Errorf("byte %d with %08b flipped: got %v, want a refusal", i, bit, err)
		}
		file[i] ^= bit
	}
	if _, err := open(file, m.policy()); err != nil {
		t.Fatal(err)
	}
}

func TestEachReasonIsItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range []*refusal.Refusal{ErrNotBundle, ErrCutShort, ErrTooLarge, ErrContents, ErrProduct, ErrBoard, ErrOlder,
		sign.ErrUnsigned, sign.ErrBadSignature, sign.ErrUnknownKey, sign.ErrWrongLevel} {
		if seen[r.Code] || seen[r.Sentence] || r.Code == "" || r.Sentence == "" || r.Hint == "" || strings.HasSuffix(r.Sentence, ".") {
			t.Errorf("%q: %q, hint %q", r.Code, r.Sentence, r.Hint)
		}
		seen[r.Code], seen[r.Sentence] = true, true
	}
}

func FuzzOpen(f *testing.F) {
	m := newMaker(f)
	good := m.release(f)
	f.Add(good)
	f.Add(good[:3000])
	f.Add([]byte{})
	f.Add(slices.Concat(header(manifestName, maxMember, built)[:], good[blockSize:]))
	f.Fuzz(func(t *testing.T, file []byte) {
		if _, err := open(file, m.policy()); refusal.Of(err) == nil && !bytes.Equal(file, good) {
			t.Errorf("got %v, want a refusal", err)
		}
	})
}

// FuzzSignedManifest opens bundles whose manifest is arbitrary but signed, as by
// somebody who stole the key: nothing may break, and what is taken has only the
// names that a release has.
func FuzzSignedManifest(f *testing.F) {
	m := newMaker(f)
	for _, change := range []func(m *Manifest){
		func(*Manifest) {},
		func(m *Manifest) { m.Files[1].Name = "boot/../x.dtb" },
		func(m *Manifest) { m.Files[1].Size = 1 << 62 },
	} {
		b := m.forge(f, change, order, contents)
		f.Add(b[blockSize:][:sizeIn((*[blockSize]byte)(b))])
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		signature := made(m.key.Sign(text, m.signer.Certificate)).Encode()
		file := archive(built, append([]string{manifestName, signatureName}, order...),
			map[string][]byte{manifestName: text, signatureName: signature}, contents)
		b, err := open(file, m.policy())
		if err != nil {
			if refusal.Of(err) == nil {
				t.Errorf("got %v, want a refusal", err)
			}
			return
		}
		for i, f := range b.Manifest().Files {
			if f.Name != order[i] {
				t.Errorf("file %d is %q, want %q", i, f.Name, order[i])
			}
		}
		if !json.Valid(text) {
			t.Error("the manifest is no JSON")
		}
	})
}
