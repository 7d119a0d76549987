package cli

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommandLine(t *testing.T) {
	type result struct {
		Status         int
		Stdout, Stderr string // how they begin
	}
	for _, tt := range []struct {
		name string
		args []string
		env  map[string]string
		want result
	}{
		{"NothingTyped", nil, nil, result{2, "", "usage: hems run"}},
		{"Help", []string{"help"}, nil, result{0, "usage: hems run", ""}},
		{"Version", []string{"version"}, nil, result{0, "development", ""}},
		{"UnknownCommand", []string{"fly"}, nil, result{2, "", `error: "fly" is no command of hems`}},
		{"UnknownFlag", []string{"run", "-x"}, nil, result{2, "", "flag provided but not defined: -x"}},
		{"AWordTooMany", []string{"run", "now"}, nil, result{2, "", `error: "now" is one word too many`}},
		{"ImageWithAWordTooMany", []string{"image", "now"}, nil, result{2, "", `error: "now" is one word too many`}},
		{"VMOfNoImage", []string{"vm", "-image", "/nowhere/hems.img", "-data", t.TempDir()}, nil,
			result{1, "", "error: finding the image: stat /nowhere/hems.img: no such file or directory: build it with \"make image\""}},
		{"FlashWithoutADisk", []string{"flash"}, nil, result{2, "", "error: name the disk: hems flash /dev/sdX"}},
		{"FlashOfTwoDisks", []string{"flash", "/dev/sdx", "/dev/sdy"}, nil, result{2, "", `error: "/dev/sdy" is one word too many`}},
		{"BadPortBase", []string{"run"}, map[string]string{"HEMS_PORT_BASE": "80"},
			result{1, "", `error: HEMS_PORT_BASE is "80": give a number from 1024 to 65000`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			got := result{Status: Main(t.Context(), tt.args, func(k string) string { return tt.env[k] }, &stdout, &stderr)}
			begins := func(b bytes.Buffer, want string) string {
				if want != "" && strings.HasPrefix(b.String(), want) {
					return want
				}
				return b.String()
			}
			got.Stdout, got.Stderr = begins(stdout, tt.want.Stdout), begins(stderr, tt.want.Stderr)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

// TestKeys goes the way of a team whose root key is kept elsewhere.
func TestKeys(t *testing.T) {
	ours, theirs := filepath.Join(t.TempDir(), "ours"), filepath.Join(t.TempDir(), "theirs")
	for _, tt := range []struct {
		name   string
		args   []string
		status int
		said   string // part of what is printed
	}{
		{"NoVerb", []string{"keys"}, 2, "usage: hems keys new"},
		{"OtherVerb", []string{"keys", "cut"}, 2, "usage: hems keys new"},
		{"Help", []string{"keys", "new", "-h"}, 0, "usage: hems keys new"},
		{"NoDirectory", []string{"keys", "new"}, 2, "error: name the directory"},
		{"New", []string{"keys", "new", "-name", "us", ours}, 0, "keep " + ours + "/root.pem offline"},
		{"NewAgain", []string{"keys", "new", ours}, 1, "is there already and is not replaced"},
		{"Signing", []string{"keys", "new", "-signing", theirs}, 0, "next: give " + theirs + "/signing.pub.pem to the owner of a root key"},
		{"NoRoot", []string{"keys", "certify", theirs + "/signing.pub.pem"}, 2, "error: the root key is missing"},
		{"NoKey", []string{"keys", "certify", "-root", ours + "/root.pem"}, 2, "error: name the signing key's public half"},
		{"WrongLevel", []string{"keys", "certify", "-root", ours + "/signing.pem", theirs + "/signing.pub.pem"}, 1, "\nhint: sign releases with a signing key that a root key has certified"},
		{"Certify", []string{"keys", "certify", "-root", ours + "/root.pem", "-name", "them", theirs + "/signing.pub.pem"}, 0, `as "them": ` + theirs + "/signing.cert.pem"},
		{"ReleaseOfNoImage", []string{"release", "-image", "/nowhere/hems.img", "-keys", theirs}, 1, `build it with "make image"`},
		{"ReleaseWithoutKeys", []string{"release", "-keys", "/nowhere"}, 1, `make one with "hems keys new /nowhere"`},
		{"ReleaseWithAWordTooMany", []string{"release", "now"}, 2, `"now" is one word too many`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			status := Main(t.Context(), tt.args, func(string) string { return "" }, &out, &out)
			if status != tt.status || !strings.Contains(out.String(), tt.said) {
				t.Errorf("status %d, want %d; said %q, want %q", status, tt.status, out.String(), tt.said)
			}
		})
	}
}
