package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/smartcore-ireland/hems/internal/update/sign"
)

// Source is a file that goes into a bundle. Open is called twice and gives the
// same bytes each time.
type Source struct {
	Name string // in the bundle
	Size int64  // bytes
	Open func() (io.ReadCloser, error)
}

// Signer is a signing key with its certificate.
type Signer struct {
	Key         sign.Key
	Certificate sign.Certificate
}

// Write writes a bundle: m, whose Format, Product and Files it sets, signed, and
// the files. progress, if not nil, gets the bytes done and to do. The same input
// gives the same bytes, whatever the order of the files.
func Write(w io.Writer, m Manifest, files []Source, s Signer, progress func(done, total int64)) error {
	if err := write(w, m, files, s, progress); err != nil {
		return fmt.Errorf("writing the bundle: %w", err)
	}
	return nil
}

func write(w io.Writer, m Manifest, files []Source, s Signer, progress func(done, total int64)) error {
	files = slices.SortedFunc(slices.Values(files), func(a, b Source) int {
		switch {
		case before(a.Name, b.Name):
			return -1
		case before(b.Name, a.Name):
			return 1
		}
		return 0
	})
	count := &counter{progress: progress}
	for _, f := range files {
		count.total += 2 * f.Size // read once for its sum, once to write it
	}
	m.Format, m.Product, m.Files = 1, Product, nil
	m.Version = strings.TrimPrefix(m.Version, "v")
	m.Built = m.Built.UTC()
	for _, f := range files {
		sum, err := f.copyTo(io.Discard, count)
		if err != nil {
			return err
		}
		m.Files = append(m.Files, File{Name: f.Name, Size: f.Size, SHA256: sum})
	}
	if err := m.check(); err != nil {
		return fmt.Errorf("the manifest: %w", err)
	}
	text, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if len(text) > maxManifest {
		return fmt.Errorf("the manifest has %d bytes, at most %d are allowed", len(text), maxManifest)
	}
	signature, err := s.Key.Sign(text, s.Certificate)
	if err != nil {
		return err
	}
	for _, member := range []struct {
		name string
		text []byte
	}{{manifestName, text}, {signatureName, signature.Encode()}} {
		size := int64(len(member.text))
		if _, err := w.Write(slices.Concat(header(member.name, size, m.Built)[:], member.text, end[:padded(size)-size])); err != nil {
			return err
		}
	}
	for i, f := range files {
		if _, err := w.Write(header(f.Name, f.Size, m.Built)[:]); err != nil {
			return err
		}
		sum, err := f.copyTo(w, count)
		if err == nil && sum != m.Files[i].SHA256 {
			err = fmt.Errorf("%s changed while it was read", f.Name)
		}
		if err != nil {
			return err
		}
		if _, err := w.Write(end[:padded(f.Size)-f.Size]); err != nil {
			return err
		}
	}
	_, err = w.Write(end[:])
	return err
}

// copyTo copies the file, which must have the size it is said to have.
func (f Source) copyTo(w io.Writer, count *counter) (sum Sum, err error) {
	r, err := f.Open()
	if err != nil {
		return sum, err
	}
	defer r.Close()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, h, count), io.LimitReader(r, f.Size+1))
	if err != nil {
		return sum, fmt.Errorf("%s: %w", f.Name, err)
	}
	if n != f.Size {
		return sum, fmt.Errorf("%s has not the %d bytes it is said to have", f.Name, f.Size)
	}
	return Sum(h.Sum(nil)), nil
}

// Bytes is a Source of what is in memory.
func Bytes(name string, b []byte) Source {
	return Source{Name: name, Size: int64(len(b)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b)), nil
	}}
}

// counter tells of progress.
type counter struct {
	done, total int64
	progress    func(done, total int64)
}

func (c *counter) Write(p []byte) (int, error) {
	c.done += int64(len(p))
	if c.progress != nil {
		c.progress(c.done, c.total)
	}
	return len(p), nil
}
