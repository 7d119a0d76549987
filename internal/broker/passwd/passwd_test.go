package passwd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// made holds lines that mosquitto_passwd 2.0.11 wrote.
const made = `# the house
alice:$7$101$zraegREC5/dvvA7y$NGYHH+qXqhN9rPz6J/l6mzUsd9/yMPcQSKrLqrWNe+y7oq9eVJffpFZqi+9rzS7wTDbsyrYrtkljgVcj13ARAg==
bob:$6$VsUiofLoQtY8FWTE$4q58pKGDxUFizFHEbBeVXqhbhToya1a0tYtDpKmVNS3Pn02GB62VpgQjZOftcDc43e0t9AzJYuc835/j9S8MWg==

carol:$7$5000$l44LgOqL2sb3z36e$z6Fw64WloULBtxwfW+iIkJoACS5TTfoOzoMOxeAi18NoU1Nlos8z+3C0myCoc2w9tv8fvtoZew2mtpBI6UI93w==
`

func parse(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestVerify(t *testing.T) {
	v := NewVerifier(parse(t, made))
	for range 2 { // worked out, then remembered
		for _, tt := range []struct {
			user, password string
			want           bool
		}{
			{"alice", "secret", true},
			{"bob", "pä:ss", true},
			{"carol", "x", true},
			{"alice", "Secret", false},
			{"alice", "", false},
			{"bob", "secret", false},
			{"dave", "secret", false},
			{"", "", false},
			{"alic", "esecret", false}, // not the same as alice, secret
			{"alice", strings.Repeat("x", MaxPassword+1), false},
		} {
			if got := v.Verify(tt.user, []byte(tt.password)); got != tt.want {
				t.Errorf("%s with %.20q: got %v, want %v", tt.user, tt.password, got, tt.want)
			}
		}
	}
}

// A file made elsewhere may have the hash of an empty password; Mosquitto lets
// nobody in with that either.
func TestAnEmptyPasswordIsRefused(t *testing.T) {
	const empty = "alice:$7$101$dHdlbHZlIGJ5dGVz$m/FwKeJsr9WGQLiraQq7P8lG5aD67oJm/5AcTxxUyqHZ+23tDUrpEem4YY5wGWRYsBD83zhaVq6qEu+ZhONl0g==\n"
	v := NewVerifier(parse(t, empty))
	if v.Verify("alice", nil) {
		t.Error("a user without a password signed in with none")
	}
}

func TestParseTellsTheLine(t *testing.T) {
	const good = "a:$7$101$zraegREC5/dvvA7y$NGYHH+qXqhN9rPz6J/l6mzUsd9/yMPcQSKrLqrWNe+y7oq9eVJffpFZqi+9rzS7wTDbsyrYrtkljgVcj13ARAg==\n"
	for name, tt := range map[string]struct{ text, want string }{
		"NoColon":            {good + "b\n", "line 2: it is no name and hash"},
		"Plain":              {"# c\n\nb:secret\n", `line 3: of the user "b": the password is not hashed`},
		"Empty":              {"b:\n", "line 1: of the user"},
		"NoName":             {":$6$x$y\n", "line 1: the name of a user is missing"},
		"Twice":              {good + good, `line 2: the user "a" is there twice`},
		"NoIterations":       {"b:$7$0$zraegREC5/dvvA7y$NGYH\n", "line 1: of the user \"b\": the number of iterations"},
		"TooManyIterations":  {"b:$7$1000001$zraegREC5/dvvA7y$NGYH\n", "line 1: of the user \"b\": the number of iterations"},
		"NegativeIterations": {"b:$7$-5$zraegREC5/dvvA7y$NGYH\n", "line 1: of the user \"b\": the number of iterations"},
		"Salt":               {"b:$7$101$???$NGYH\n", "line 1: of the user \"b\": its salt is damaged"},
		"ShortHash":          {"b:$7$101$zraegREC5/dvvA7y$NGYH\n", "line 1: of the user \"b\": its hash is damaged"},
		"OtherKind":          {"b:$8$101$zraegREC5/dvvA7y$NGYH\n", "line 1: of the user \"b\": it is no hash of the kind"},
		"Control":            {"b\x01:$6$a$b\n", "line 1: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(tt.text))
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %q…", err, tt.want)
			}
			if e, ok := errors.AsType[*Error](err); err != nil && (!ok || e.Line == 0) {
				t.Errorf("%v: no line", err)
			}
		})
	}
	_, err := Parse([]byte("b\nc\n"))
	if got := strings.Count(err.Error(), "\n") + 1; got != 2 {
		t.Errorf("%d errors, want both: %v", got, err)
	}
}

func TestWhatIsNotChangedStaysAsItIs(t *testing.T) {
	f := parse(t, made)
	if diff := cmp.Diff(made, string(f.Bytes())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !f.Remove("bob") || f.Remove("bob") {
		t.Error("bob was not removed once")
	}
	if err := f.Set("dave", "d"); err != nil {
		t.Fatal(err)
	}
	if err := f.Set("alice", "new"); err != nil {
		t.Fatal(err)
	}
	f = parse(t, string(f.Bytes()))
	if diff := cmp.Diff([]string{"alice", "carol", "dave"}, f.Users()); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(string(f.Bytes()), "# the house\nalice:$7$20000$") {
		t.Errorf("the comment or the order is gone:\n%s", f.Bytes())
	}
	v := NewVerifier(f)
	for user, password := range map[string]string{"alice": "new", "carol": "x", "dave": "d"} {
		if !v.Verify(user, []byte(password)) {
			t.Errorf("%s cannot sign in", user)
		}
	}
	if v.Verify("alice", []byte("secret")) {
		t.Error("alice's old password is still good")
	}
}

func TestSetRefuses(t *testing.T) {
	f := parse(t, "")
	for _, tt := range [][2]string{{"a", ""}, {"", "x"}, {"a:b", "x"}, {"#a", "x"}, {"a\n", "x"}, {" a", "x"}, {strings.Repeat("n", MaxName+1), "x"}, {"a", strings.Repeat("x", MaxPassword+1)}} {
		if err := f.Set(tt[0], tt[1]); err == nil {
			t.Errorf("%.20q with %.20q: no error", tt[0], tt[1])
		}
	}
	if len(f.Bytes()) != 0 {
		t.Errorf("something was written: %q", f.Bytes())
	}
}

func TestSaveIsForItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwd")
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Set("a", "x"); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %v, want 0600", got)
	}
	again, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !NewVerifier(again).Verify("a", []byte("x")) {
		t.Error("the user cannot sign in")
	}
}

// TestATimeTellsNothing compares the cost of a wrong password for users with
// hashes of every kind and for one who does not exist.
// spent is the processor's time of this process, which a machine with other work
// to do does not make longer.
func spent(t *testing.T) time.Duration {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func TestATimeTellsNothing(t *testing.T) {
	f := parse(t, made)
	if err := f.Set("dear", "x"); err != nil {
		t.Fatal(err)
	}
	v := NewVerifier(f)
	least := map[string]time.Duration{}
	even := func() bool {
		for _, d := range least {
			if other := least["nobody"]; d < other*7/10 || d > other*13/10 {
				return false
			}
		}
		return true
	}
	for i := range 80 { // interleaved; the least is the least disturbed
		if i >= 10 && even() {
			break
		}
		for _, user := range []string{"alice", "bob", "carol", "dear", "nobody"} {
			begin := spent(t)
			v.Verify(user, []byte{'w', byte(i)})
			if d := spent(t) - begin; least[user] == 0 || d < least[user] {
				least[user] = d
			}
		}
	}
	for user, d := range least {
		if other := least["nobody"]; d < other*7/10 || d > other*13/10 {
			t.Errorf("%s takes %v, one who does not exist %v", user, d, other)
		}
	}
}

func TestRememberedAnswersAreCheapAndHoldNoPassword(t *testing.T) {
	f := parse(t, "")
	if err := f.Set("a", "the password"); err != nil {
		t.Fatal(err)
	}
	v := NewVerifier(f)
	v.Verify("a", []byte("the password"))
	begin := spent(t)
	for range 100 {
		if !v.Verify("a", []byte("the password")) {
			t.Fatal("refused")
		}
	}
	if d := spent(t) - begin; d > 50*time.Millisecond {
		t.Errorf("a hundred remembered answers took %v", d)
	}
	for i := range cacheSize + 50 { // wrong ones, without paying for them
		v.remember(v.name("a", []byte{byte(i), byte(i >> 8)}), false)
	}
	if got := len(v.known[0]); got != cacheSize {
		t.Errorf("%d wrong answers remembered, want %d", got, cacheSize)
	}
	if _, ok := v.recall(v.name("a", []byte("the password"))); !ok {
		t.Error("guesses displaced the right answer")
	}
	if NewVerifier(f).name("a", []byte("x")) == v.name("a", []byte("x")) {
		t.Error("two verifiers have the same key")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(made))
	f.Add([]byte("a:$7$1$YQ==$"))
	f.Add([]byte(":\n#\na:$6$$"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(p.Bytes())
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if diff := cmp.Diff(p.Users(), again.Users()); diff != "" {
			t.Errorf("users (-want +got):\n%s", diff)
		}
		for _, u := range p.Users() {
			i := p.users[u]
			j := again.users[u]
			if p.lines[i].hash.String() != again.lines[j].hash.String() {
				t.Errorf("the hash of %q changed", u)
			}
		}
	})
}
