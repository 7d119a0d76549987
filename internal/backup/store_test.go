package backup

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/backup/staged"
	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/store"
)

// withStore are items as on the appliance, the store by its snapshot.
func withStore(dir string) []Item {
	return append(plain[:len(plain):len(plain)], Item{
		Path: "store", Owner: "hems-metrics",
		Snapshot: &Snapshot{
			File: "store/hems.db", Open: FromSocket(filepath.Join(dir, "metrics.sock")),
			Lock: "store/hems.db.lock", Files: []string{"store/hems.db", "store/hems.db-wal"}, What: "readings",
		},
	})
}

// readings opens a real store with n readings, committed and in its log.
func readings(t *testing.T, dir string, n int) *store.Store {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "store"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(filepath.Join(dir, "store", "hems.db"), store.Options{CommitInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Register(store.Series{Entity: "meter_power", Unit: "W"}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := s.Append(store.Reading{Entity: "meter_power", Time: time.Unix(1_700_000_000+int64(i), 0), Value: float64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

// count reads the readings of a restored store.
func count(t *testing.T, dir string) int {
	t.Helper()
	s, err := store.Open(filepath.Join(dir, "store", "hems.db"), store.Options{}) // it replays what a copied log holds
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := store.OpenReader(filepath.Join(dir, "store", "hems.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	series, err := r.Series(context.Background())
	if err != nil || len(series) != 1 {
		t.Fatalf("series %v, %v: want one", series, err)
	}
	samples, err := r.Samples(context.Background(), series[0].ID, time.Unix(0, 0), time.Unix(2_000_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	return len(samples)
}

// metrics answers POST /v1/snapshot at metrics.sock as hems-metrics does.
func metrics(t *testing.T, dir string, tell bool) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(dir, "metrics.sock"))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/snapshot", func(w http.ResponseWriter, r *http.Request) {
		copyOf := filepath.Join(dir, "store", "copy.tmp")
		defer os.Remove(copyOf)
		db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: filepath.Join(dir, "store", "hems.db"), RawQuery: "mode=ro"}).String())
		if err == nil {
			defer db.Close()
			_, err = db.ExecContext(r.Context(), "VACUUM INTO ?", copyOf)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		f, err := os.Open(copyOf)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer f.Close()
		if fi, err := f.Stat(); err == nil && tell {
			w.Header().Set("Content-Length", strconv.FormatInt(fi.Size(), 10))
		}
		_, _ = io.Copy(w, f)
	})
	srv := &http.Server{Handler: mux}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
}

func restore(t *testing.T, archive []byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	put(t, dir, map[string]string{"store/hems.db": "of this card", "store/hems.db-wal": "of this card", "hems.yaml": "of this card"})
	if _, err := Stage(context.Background(), bytes.NewReader(archive), passphrase, dir, withStore(dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := staged.Apply(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReadingsComeAlongWhileTheyAreWritten(t *testing.T) {
	dir := house(t, "mine")
	if err := broker.EnsureCredentials(filepath.Join(dir, "secrets"), "home", "metrics"); err != nil {
		t.Fatal(err)
	}
	s := readings(t, dir, 500)
	metrics(t, dir, true)
	m, archive := archived(t, dir, withStore(dir))
	if len(m.Missing) > 0 {
		t.Errorf("missing: %v, want nothing", m.Missing)
	}
	if err := s.Append(store.Reading{Entity: "meter_power", Time: time.Unix(1_800_000_000, 0), Value: 1}); err != nil {
		t.Errorf("the store is no longer written: %v", err)
	}

	to := restore(t, archive)
	if got, want := count(t, to), 500; got != want {
		t.Errorf("readings restored: got %d, want %d", got, want)
	}
	if _, err := os.Stat(filepath.Join(to, "store", "hems.db-wal")); err == nil {
		if b, _ := os.ReadFile(filepath.Join(to, "store", "hems.db-wal")); string(b) == "of this card" {
			t.Error("the log of the store that was there before is still there")
		}
	}
	for _, user := range []string{"home", "metrics"} {
		want, err := broker.ReadPassword(filepath.Join(dir, "secrets"), user)
		if err != nil {
			t.Fatal(err)
		}
		got, err := broker.ReadPassword(filepath.Join(to, "secrets"), user)
		if err != nil {
			t.Fatal(err)
		}
		if user == "home" {
			want = "mine" // there already
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("password of %s (-want +got):\n%s", user, diff)
		}
	}
}

func TestReadingsOfAStoppedWriterAreCopied(t *testing.T) {
	dir := house(t, "mine")
	if err := readings(t, dir, 200).Close(); err != nil {
		t.Fatal(err)
	}
	m, archive := archived(t, dir, withStore(dir))
	if len(m.Missing) > 0 {
		t.Errorf("missing: %v, want nothing", m.Missing)
	}
	if got, want := count(t, restore(t, archive)), 200; got != want {
		t.Errorf("readings restored: got %d, want %d", got, want)
	}
	if got, want := count(t, dir), 200; got != want {
		t.Errorf("the store cannot be opened again by its process: %d readings, want %d", got, want)
	}
}

// TestReadingsOfAWriterThatDoesNotAnswerAreMissing: to copy its files would be
// to copy half a transaction.
func TestReadingsOfAWriterThatDoesNotAnswerAreMissing(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T, string){
		"NoSocket":     func(*testing.T, string) {},
		"NoLength":     func(t *testing.T, dir string) { metrics(t, dir, false) },
		"NobodyListen": func(t *testing.T, dir string) { put(t, dir, map[string]string{"metrics.sock": ""}) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := house(t, "mine")
			s := readings(t, dir, 5000)
			defer s.Close()
			prepare(t, dir)
			m, archive := archived(t, dir, withStore(dir))
			if len(m.Missing) != 1 || m.Missing[0].Path != "store" || m.Missing[0].What != "readings" || m.Missing[0].Why == "" {
				t.Errorf("missing: %+v, want the store", m.Missing)
			}
			to := restore(t, archive)
			for _, name := range []string{"store/hems.db", "store/hems.db-wal"} {
				b, err := os.ReadFile(filepath.Join(to, name))
				if err != nil || string(b) != "of this card" {
					t.Errorf("%s is %.20q, %v: want what this card had", name, b, err)
				}
			}
			b, err := os.ReadFile(filepath.Join(to, "hems.yaml"))
			if err != nil || string(b) == "of this card" {
				t.Errorf("hems.yaml is %q, %v: want the restored one", b, err)
			}
		})
	}
}

// TestSnapshotThatBreaksOffMakesNoArchive: the archive must not end as if it
// were whole.
func TestSnapshotThatBreaksOffMakesNoArchive(t *testing.T) {
	dir := house(t, "mine")
	items := append(plain[:len(plain):len(plain)], Item{Path: "store", Owner: "hems-metrics", Snapshot: &Snapshot{
		File: "store/hems.db", What: "readings", Lock: "store/hems.db.lock",
		Open: func(context.Context) (Stream, error) {
			return Stream{ReadCloser: io.NopCloser(bytes.NewReader(make([]byte, 100))), Size: 1000}, nil
		},
	}})
	var out bytes.Buffer
	if _, err := Write(context.Background(), &out, passphrase, Options{Data: dir, Items: items}); err == nil {
		t.Error("no error")
	}
	if _, err := Stage(context.Background(), &out, passphrase, t.TempDir(), items); err == nil {
		t.Error("what there is of it can be restored")
	}
}
