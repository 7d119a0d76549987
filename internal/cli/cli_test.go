package cli

import (
	"bytes"
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
