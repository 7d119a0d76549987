//go:build interop

package passwd

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// mosquittoPasswd runs the real program, or says how to install it.
func mosquittoPasswd(t *testing.T, args ...string) {
	t.Helper()
	need := exec.Command("../../../.ci/need", "mosquitto_passwd=mosquitto")
	if out, err := need.CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	if out, err := exec.Command("mosquitto_passwd", args...).CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd %v: %v\n%s", args, err, out)
	}
}

func TestFilesOfMosquittoPasswdAreRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	passwords := map[string]string{"a b": "pass word", "ä": "päß:$x", "c": "1", "d": "#"}
	for user, password := range passwords {
		mosquittoPasswd(t, "-b", path, user, password)
	}
	mosquittoPasswd(t, "-H", "sha512", "-b", path, "old", "of 1.6")
	mosquittoPasswd(t, "-I", "30000", "-b", path, "dear", "x")
	passwords["old"], passwords["dear"] = "of 1.6", "x"
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	v := NewVerifier(f)
	for user, password := range passwords {
		if !v.Verify(user, []byte(password)) || v.Verify(user, []byte(password+"x")) {
			t.Errorf("%q cannot sign in, or with anything", user)
		}
	}
}

func TestMosquittoPasswdEditsOurFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwd")
	f := parse(t, "") // it takes no comments
	for user, password := range map[string]string{"a": "x", "b": "y"} {
		if err := f.Set(user, password); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Save(path); err != nil {
		t.Fatal(err)
	}
	mosquittoPasswd(t, "-D", path, "b")
	mosquittoPasswd(t, "-b", path, "c", "z")
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	v := NewVerifier(f)
	if !v.Verify("a", []byte("x")) || v.Verify("b", []byte("y")) || !v.Verify("c", []byte("z")) {
		t.Errorf("after mosquitto_passwd the users are %q", f.Users())
	}
}
