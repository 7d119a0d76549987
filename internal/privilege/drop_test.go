package privilege

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDropLeavesNothingOfRoot has a real process, built without cgo as the
// appliance's are, give up being root, and lets it tell what it is then.
func TestDropLeavesNothingOfRoot(t *testing.T) {
	program := t.TempDir() + "/dropped"
	build := exec.Command("go", "build", "-o", program, "./testdata/dropped")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	out, err := exec.Command(program).CombinedOutput()
	if os.Geteuid() != 0 {
		if err == nil || !strings.Contains(string(out), "not root's") {
			t.Fatalf("without root: %v\n%s\nwant an error that says so", err, out)
		}
		return
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := "every thread: Uid 64901 64901 64901 64901 Gid 64902 64902 64902 64902 Groups 64902 64903 " +
		"NoNewPrivs 1 CapInh 0 CapPrm 0 CapEff 0 CapBnd 0 CapAmb 0\n" +
		"root's file: permission denied\n"
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("after dropping (-want +got):\n%s", diff)
	}
}

func TestDropRefusesRootAsTheUser(t *testing.T) {
	for _, ids := range [][2]int{{0, 900}, {900, 0}, {-1, 900}} {
		if err := Drop(ids[0], ids[1], nil); err == nil {
			t.Errorf("Drop(%d, %d) did not fail", ids[0], ids[1])
		}
	}
}
