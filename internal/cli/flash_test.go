package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// run runs a command line with what is typed on stdin.
func run(t *testing.T, typed string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	c := &command{getenv: func(string) string { return "" }, stdin: strings.NewReader(typed), stdout: &out, stderr: &errs}
	err = c.dispatch(t.Context(), args)
	return out.String(), errs.String(), err
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestFlashAsksFirst(t *testing.T) {
	for typed, want := range map[string]string{
		"yes\n": "the image", "yes": "the image", "y\n": "the old", "no\n": "the old", "": "the old", "\n": "the old", "yesterday\n": "the old",
	} {
		dir := t.TempDir()
		image, card := write(t, filepath.Join(dir, "image"), "the image"), write(t, filepath.Join(dir, "card"), "the old")
		_, stderr, err := run(t, typed, "flash", "-image", image, "-force", card)
		if (want == "the old") != errors.Is(err, errNotConfirmed) {
			t.Errorf("%q: got %v", typed, err)
		}
		if asked := "Everything on " + card + " (a file) will be overwritten with " + image + " (9 bytes)."; !strings.Contains(stderr, asked) {
			t.Errorf("%q: the person is asked %q, want %q", typed, stderr, asked)
		}
		if got, err := os.ReadFile(card); err != nil || string(got) != want {
			t.Errorf("%q: the card holds %q, %v, want %q", typed, got, err, want)
		}
	}
}

func TestFlashRefusesWhatItCannotSeed(t *testing.T) {
	dir := t.TempDir()
	image, card := write(t, filepath.Join(dir, "image"), "the image"), write(t, filepath.Join(dir, "card"), "the old")
	long := write(t, filepath.Join(dir, "long"), strings.Repeat("k", maxSecret+1))
	two := write(t, filepath.Join(dir, "two"), "one\ntwo\n")
	empty := write(t, filepath.Join(dir, "empty"), "\n")
	code := write(t, filepath.Join(dir, "code"), "ABCDE-FGHJK\n")
	short := write(t, filepath.Join(dir, "short"), "AB-CD-EF\n")
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"HostNameOfTwoWords", []string{"-host-name", "my hems"}, `-host-name: host_name is "my hems": give one word`},
		{"HostNameWithADomain", []string{"-host-name", "hems.local"}, "give one word"},
		{"ZoneThatIsNone", []string{"-time-zone", "Dublin"}, `-time-zone: "Dublin" is no time zone: give one such as Europe/Dublin`},
		{"ZoneOfThisMachine", []string{"-time-zone", "Local"}, "is no time zone"},
		{"KeyItself", []string{"-tailnet-key", "tskey-abc"}, "give the name of a file that holds it"},
		{"KeyTooLong", []string{"-tailnet-key", long}, "has more than 1000 bytes"},
		{"CodeOfTwoLines", []string{"-claim-code", two}, "must hold it in one line"},
		{"CodeEmpty", []string{"-claim-code", empty}, "must hold it in one line"},
		{"CodeThatIsAGuess", []string{"-claim-code", short}, "claim_code is not 8 characters or more"},
		{"KeyOfSomethingElse", []string{"-tailnet-key", code}, "begins with tskey-"},
		{"TwoCodes", []string{"-claim", "-claim-code", code}, "give one of them"},
		{"CardThatIsNone", []string{"-claim"}, "reading the partition table"}, // written, and then it is no image
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"flash", "-image", image, "-force", "-yes"}, tt.args...)
			_, _, err := run(t, "", append(args, card)...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want one that says %q", err, tt.want)
			}
		})
	}
}

func TestClaimCode(t *testing.T) {
	form := regexp.MustCompile(`^[2-9A-HJ-NP-Z]{5}-[2-9A-HJ-NP-Z]{5}$`)
	seen := map[string]bool{}
	for range 1000 {
		code := claimCode()
		if !form.MatchString(code) || seen[code] {
			t.Fatalf("got %q, seen before: %v", code, seen[code])
		}
		seen[code] = true
	}
}
