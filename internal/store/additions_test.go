package store

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tables are the names of the file's tables.
func tables(t *testing.T, s *Store) (names []string) {
	t.Helper()
	rows, err := s.db.Query(`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}

func TestAdditionsAreMadeOnceAndKeepWhatIsThere(t *testing.T) {
	kept := additions
	t.Cleanup(func() { additions = kept })
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{})
	s.Close()

	additions = append(slices.Clone(kept), addition{"later", `CREATE TABLE IF NOT EXISTS later (v INTEGER) STRICT; INSERT INTO later VALUES (1)`})
	s = open(t, path, Options{})
	s.Close()
	s = open(t, path, Options{}) // and not again
	var n int
	if err := s.db.QueryRow(`SELECT count(*) FROM later`).Scan(&n); err != nil || n != 1 {
		t.Errorf("rows of the addition: got %d (%v), want 1", n, err)
	}
	s.Close()

	additions = kept // a program that does not know it
	s = open(t, path, Options{})
	id := register(t, s, "p", "W")
	appendAll(t, s, at("p", 0, 1))
	commit(t, s)
	if got := tables(t, s); !slices.Contains(got, "later") {
		t.Errorf("tables after a program that does not know the addition: %v, want it kept", got)
	}
	if got := allSamples(t, reader(t, path), id); len(got) != 1 {
		t.Errorf("got %d samples, want 1", len(got))
	}
}

func TestAdditionsLeaveTheFirstFormAlone(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hems.db"), Options{})
	var v int
	if err := s.db.QueryRow(`SELECT max(version) FROM schema_version`).Scan(&v); err != nil || v != 1 {
		t.Errorf("version of the form: got %d (%v), want 1, which older programs open", v, err)
	}
	for _, a := range additions {
		if strings.Contains(strings.ToUpper(a.sql), "ALTER ") {
			t.Errorf("the addition %s alters a table", a.name)
		}
		if _, err := s.db.ExecContext(context.Background(), a.sql); err != nil {
			t.Errorf("making the addition %s again: %v", a.name, err)
		}
	}
}
