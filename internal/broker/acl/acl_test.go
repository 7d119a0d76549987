package acl

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// house is an access list with everything in it.
const house = `# who may do what
topic read public/#
topic deny public/secret

user alice
topic alice/#
topic deny alice/private/#
topic read $SYS/#
topic write with space/in it

user  bob jones
topic readwrite +/shared
topic write $internal/x
pattern readwrite devices/%u/#
pattern read c/%c
pattern deny devices/+/locked

user alice
topic read late
`

func parse(t *testing.T, text string) *List {
	t.Helper()
	l, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestRights(t *testing.T) {
	l := parse(t, house)
	for _, tt := range []struct {
		user, client string
		topic        string
		read, write  bool
	}{
		{"alice", "c1", "alice", true, true}, // a/# matches a
		{"alice", "c1", "alice/x/y", true, true},
		{"alice", "c1", "alicex", false, false},
		{"alice", "c1", "alice/private/x", false, false},
		{"alice", "c1", "$SYS/broker/uptime", true, false},
		{"alice", "c1", "with space/in it", false, true},
		{"alice", "c1", "late", true, false},
		{"alice", "c1", "public/x", false, false}, // the anonymous section is theirs alone
		{"alice", "c1", "devices/alice/x", true, true},
		{"alice", "c1", "devices/alice/locked", false, false},
		{"alice", "c1", "devices/bob/x", false, false},
		{"alice", "c1", "c/c1", true, false},
		{"alice", "c2", "c/c1", false, false},
		{"bob jones", "c1", "x/shared", true, true},
		{"bob jones", "c1", "x/y/shared", false, false},
		{"bob jones", "c1", "$SYS/shared", false, false}, // + does not match it
		{"bob jones", "c1", "$internal/x", false, true},
		{"bob jones", "c1", "devices/bob jones", true, true},
		{"bob jones", "c1", "", false, false},
		{"carol", "c1", "devices/carol/x", true, true},
		{"carol", "c1", "late", false, false},
		{"+", "c1", "devices/carol/x", false, false}, // a name as a wildcard
		{"#", "c1", "devices/#", false, false},
		{"alice", "+", "c/c1", false, false},
		{"alice", "+", "devices/alice/x", false, false}, // then no pattern counts
		{"alice", "+", "alice/x", true, true},
		{"%c", "x", "devices/x", false, false}, // what is put in is not looked at again
		{"%c", "x", "devices/%c", true, true},
	} {
		r := l.For(tt.user, tt.client)
		if read, write := r.MayRead(tt.topic), r.MayWrite(tt.topic); read != tt.read || write != tt.write {
			t.Errorf("%s (%s) and %s: read %v, write %v, want %v, %v", tt.user, tt.client, tt.topic, read, write, tt.read, tt.write)
		}
	}
	r := l.ForAnonymous("c1")
	for topic, want := range map[string][2]bool{
		"public/x": {true, false}, "public": {true, false}, "public/secret": {false, false},
		"devices/x": {false, false}, "devices/": {false, false}, "devices/%u/x": {false, false}, "c/c1": {true, false},
	} {
		if got := [2]bool{r.MayRead(topic), r.MayWrite(topic)}; got != want {
			t.Errorf("anonymous and %s: got %v, want %v", topic, got, want)
		}
	}
	if !parse(t, "").For("x", "y").Nothing() {
		t.Error("an empty list allows something")
	}
}

func TestAUsersOwnLineComesBeforeAPattern(t *testing.T) {
	l := parse(t, "pattern deny %u/x\nuser a\ntopic read a/x\n")
	if !l.For("a", "c").MayRead("a/x") || l.For("a", "c").MayWrite("a/x") {
		t.Error("the pattern's denial came before the user's own line")
	}
}

func TestParseTellsTheLine(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"Word":            {"\n# x\nusers a\n", `line 3: "users" is no beginning of a line`},
		"IndentedComment": {" # x\n", `line 1: "#" is no beginning`},
		"Tab":             {"topic\tread a\n", "line 1: "},
		"NoTopic":         {"topic\n", "line 1: the topic is missing"},
		"NoPattern":       {"pattern  \n", "line 1: the topic is missing"},
		"NoUser":          {"user\n", "line 1: the name of the user is missing"},
		"Access":          {"topic rw a/b\n", `line 1: "rw" is no kind of access`},
		"Space":           {"topic my room/x\n", `line 1: "my" is no kind of access`},
		"Hash":            {"topic read a/#/b\n", "line 1: \"a/#/b\": # stands alone"},
		"HashInWord":      {"topic read a#\n", "line 1: \"a#\": # stands alone"},
		"Plus":            {"topic read a+/b\n", "line 1: \"a+/b\": + stands alone"},
		"PlusAfter":       {"topic read +a\n", "line 1: \"+a\": + stands alone"},
	} {
		_, err := Parse([]byte(tt.text))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q…", name, err, tt.want)
		}
		if e, ok := errors.AsType[*Error](err); err != nil && (!ok || e.Line == 0) {
			t.Errorf("%s: %v has no line", name, err)
		}
	}
	if l := parse(t, "  topic   deny   a b  \r\n"); !cmp.Equal(l.Anonymous(), []Rule{{Deny, "a b"}}) {
		t.Errorf("spaces around are part of the topic: %q", l.Anonymous())
	}
	if l := parse(t, "topic read\n"); !cmp.Equal(l.Anonymous(), []Rule{{ReadWrite, "read"}}) {
		t.Errorf("a topic that is called as an access: %q", l.Anonymous())
	}
}

func TestSetChangesOneUserAlone(t *testing.T) {
	text, err := Set([]byte(house), "alice", []Rule{{Read, "new/#"}, {Deny, "new/x"}})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(
		"topic alice/#\ntopic deny alice/private/#\ntopic read $SYS/#\ntopic write with space/in it\n", "topic read new/#\ntopic deny new/x\n",
		"user alice\ntopic read late\n", "",
	).Replace(house)
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if text, err = Remove(text, "alice"); err != nil {
		t.Fatal(err)
	}
	if parse(t, string(text)).Has("alice") {
		t.Error("alice is still there")
	}
	if text, err = Set(text, "dave", []Rule{{ReadWrite, "d"}}); err != nil {
		t.Fatal(err)
	}
	l := parse(t, string(text))
	if diff := cmp.Diff([]string{"bob jones", "dave"}, l.Users()); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(parse(t, house).Patterns(), l.Patterns()); diff != "" {
		t.Errorf("patterns (-want +got):\n%s", diff)
	}
	if _, err := Set([]byte("nonsense\n"), "a", nil); err == nil {
		t.Error("a list that is wrong was changed")
	}
	if _, err := Set(nil, "a", []Rule{{Read, "a#"}}); err == nil {
		t.Error("a filter that is wrong was written")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(house), "alice", "c", "alice/x")
	f.Add([]byte("pattern deny %u%c%u/#\n"), "%c", "%u", "$SYS/x")
	f.Fuzz(func(t *testing.T, text []byte, user, client, topic string) {
		l, err := Parse(text)
		if err != nil {
			return
		}
		for _, r := range []*Rights{l.For(user, client), l.ForAnonymous(client)} {
			if r.Nothing() && (r.MayRead(topic) || r.MayWrite(topic)) {
				t.Error("something is allowed by nothing")
			}
		}
		for _, u := range l.Users() {
			out, err := Set(text, u, []Rule{{Read, "a/#"}})
			if err != nil {
				t.Fatalf("changing %q: %v", u, err)
			}
			got, err := Parse(out)
			if err != nil {
				t.Fatalf("what was written cannot be read: %v", err)
			}
			if diff := cmp.Diff([]Rule{{Read, "a/#"}}, got.Of(u)); diff != "" {
				t.Errorf("of %q (-want +got):\n%s", u, diff)
			}
			for _, other := range l.Users() {
				if diff := cmp.Diff(l.Of(other), got.Of(other)); other != u && diff != "" {
					t.Errorf("of %q when %q changed (-want +got):\n%s", other, u, diff)
				}
			}
			if diff := cmp.Diff(l.Patterns(), got.Patterns()); diff != "" {
				t.Errorf("patterns (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(l.Anonymous(), got.Anonymous()); diff != "" {
				t.Errorf("anonymous (-want +got):\n%s", diff)
			}
		}
	})
}

func BenchmarkMayRead(b *testing.B) {
	l, err := Parse([]byte(house))
	if err != nil {
		b.Fatal(err)
	}
	r := l.For("alice", "c1")
	b.ReportAllocs()
	for b.Loop() {
		r.MayRead("devices/alice/power")
	}
}
