package radio

import (
	"encoding/hex"
	"testing"
)

// The example of the base device behaviour specification, section 10.1.
func TestInstallCode(t *testing.T) {
	code, err := hex.DecodeString("83fed3407a939723a5c639b26916d505c3b5")
	if err != nil {
		t.Fatal(err)
	}
	if got := checksum(code[:16]); got != 0xB5C3 {
		t.Errorf("checksum: got %04x, want b5c3", got)
	}
	key := LinkKeyOf(code)
	if got, want := hex.EncodeToString(key[:]), "66b6900981e1ee3ca4206b6b861c02bb"; got != want {
		t.Errorf("link key: got %s, want %s", got, want)
	}
	a, b := InstallCode(1), InstallCode(2)
	if len(a) != 18 || string(a) == string(b) || string(a) != string(InstallCode(1)) {
		t.Errorf("install codes: got %x and %x", a, b)
	}
}
