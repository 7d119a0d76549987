package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/smartcore-ireland/hems/internal/client"
)

func (r *remote) keepFlags(f *flag.FlagSet) {
	f.StringVar(&r.output, "o", "", "")
	f.StringVar(&r.passphraseFile, "passphrase-file", "", "")
	f.BoolVar(&r.yes, "yes", false, "")
}

// passphrase is from the file that was named, or asked for: twice where it is a
// new one.
func (r *remote) passphrase(ctx context.Context, fresh bool) (string, error) {
	if r.passphraseFile != "" {
		return secretFile(r.passphraseFile)
	}
	hint := fmt.Sprintf("hems %s %s -passphrase-file FILE", r.name, r.host)
	one, err := r.askSecret(ctx, "Passphrase of the backup: ")
	if err != nil || !fresh {
		if err != nil {
			err = hinted{err, hint}
		}
		return one, err
	}
	again, err := r.askSecret(ctx, "The same passphrase again: ")
	switch {
	case err != nil:
		return "", hinted{err, hint}
	case one != again:
		return "", errors.New("the two passphrases differ")
	}
	return one, nil
}

// backup writes an archive to a file, which is there only when it is whole.
func (r *remote) backup(ctx context.Context, _ []string) error {
	if r.output == "" {
		return hinted{errors.New("name the file for the backup"), fmt.Sprintf("hems backup %s -o hems-%s.age", r.host, time.Now().Format(time.DateOnly))}
	}
	passphrase, err := r.passphrase(ctx, true)
	if err != nil {
		return err
	}
	body, missing, err := r.Backup(ctx, passphrase)
	if err != nil {
		return err
	}
	defer body.Close()
	n, err := r.save(body, r.output)
	if err != nil {
		return err
	}
	if missing != "" {
		fmt.Fprintf(r.stderr, "warning: the backup is without %s\n", missing)
	}
	return r.done(map[string]any{"file": r.output, "bytes": n, "missing": missing}, fmt.Sprintf("%s: %d bytes; keep the passphrase apart from it", r.output, n))
}

// save writes a file in one step, for its owner alone; "-" is standard output.
func (r *remote) save(from io.Reader, path string) (int64, error) {
	if path == "-" {
		return io.Copy(r.stdout, from)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".hems-*") // mode 0600
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	n, err := io.Copy(f, from)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return n, fmt.Errorf("writing %s: %w", path, err)
	}
	return n, os.Rename(f.Name(), path)
}

// done says that something is done.
func (r *remote) done(v any, text string) error {
	if r.json {
		return r.answer(v)
	}
	out := r.stdout
	if r.output == "-" {
		out = r.stderr
	}
	_, err := fmt.Fprintln(out, text)
	return err
}

// restore puts an archive back and waits until the appliance is there again.
func (r *remote) restore(ctx context.Context, words []string) error {
	f, err := os.Open(words[0])
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !r.yes {
		typed, err := r.ask(ctx, fmt.Sprintf("Everything on %s is replaced by %s. Type yes to go on: ", r.host, words[0]))
		if err == nil && typed != "yes" {
			err = errors.New("nothing was changed")
		}
		if err != nil {
			return hinted{err, fmt.Sprintf("hems restore %s %s -yes", r.host, words[0])}
		}
	}
	passphrase, err := r.passphrase(ctx, false)
	if err != nil {
		return err
	}
	sent := &counted{Reader: f, total: info.Size(), say: func(percent int) { r.progress(fmt.Sprintf("sending %d %%", percent)) }}
	if err := r.Restore(ctx, passphrase, sent); err != nil {
		r.progressEnd()
		return err
	}
	if err := r.awaitReturn(ctx); err != nil {
		return err
	}
	return r.done(map[string]any{"restored": words[0]}, "restored: "+r.host+" is back, with the accounts of the backup")
}

// awaitReturn waits until the appliance has been away and answers again, by
// whatever name and password.
func (r *remote) awaitReturn(ctx context.Context) error {
	defer r.progressEnd()
	began, left := time.Now(), false
	for {
		r.progress("restarting")
		_, err := r.Health(ctx)
		e := client.Refusal(err)
		answers := err == nil || e != nil && e.Status < 500
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case answers && (left || time.Since(began) > returnLimit(r.every)):
			return nil
		case time.Since(began) > awayLimit:
			return hinted{fmt.Errorf("the appliance has not answered for %v", awayLimit), "look at it; hems status " + r.host}
		}
		left = left || !answers
		select {
		case <-ctx.Done():
		case <-time.After(r.every):
		}
	}
}

// returnLimit is how long a restart may go unnoticed: between two looks.
func returnLimit(every time.Duration) time.Duration { return 60 * every }

// diagnostics writes the zip to a file.
func (r *remote) diagnostics(ctx context.Context, _ []string) error {
	body, err := r.Diagnostics(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	if r.output == "" {
		r.output = "hems-diagnostics-" + time.Now().Format("2006-01-02-1504") + ".zip"
	}
	n, err := r.save(body, r.output)
	if err != nil {
		return err
	}
	return r.done(map[string]any{"file": r.output, "bytes": n}, fmt.Sprintf("%s: %d bytes, without passwords and keys", r.output, n))
}

func (r *remote) answerLine(line string) error {
	b, err := json.Marshal(map[string]string{"line": line})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(r.stdout, "%s\n", b)
	return err
}

// setConfig changes one value, which is written as in hems.yaml.
func (r *remote) setConfig(ctx context.Context, path, text string) error {
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return hinted{fmt.Errorf("%q is no value", text), `write it as in hems.yaml: true, 11, Home, "a: b", [a, b]`}
	}
	if err := r.SetConfig(ctx, path, value); err != nil {
		return err
	}
	return r.done(map[string]any{"path": path, "value": value}, fmt.Sprintf("%s is %v", path, value))
}

func (r *remote) printChange(c client.Config, id string) error {
	for _, h := range c.History {
		if h.ID != id {
			continue
		}
		if r.json {
			return r.answer(h)
		}
		_, err := fmt.Fprint(r.stdout, h.Text)
		return err
	}
	return hinted{fmt.Errorf("there is no %q in the history", id), "hems config " + r.host + " history"}
}
