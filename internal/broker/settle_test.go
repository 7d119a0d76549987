package broker_test

import (
	"os"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker/passwd"
)

// TestAFileThatIsBeingWrittenIsNotRead writes the password file as an editor does
// that writes over it: empty at first, and whole a moment later.
func TestAFileThatIsBeingWrittenIsNotRead(t *testing.T) {
	h := withPeople(t).start(t)
	w := dial(t, h.tcp())
	w.connect(hello{version: 5, id: "a", user: "alice", password: "x", keepAlive: 60}, 0)
	f, err := passwd.Load(h.opt.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	whole := f.Bytes()
	for range 40 { // some of them when it is looked at
		if err := os.WriteFile(h.opt.PasswordFile, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
		if err := os.WriteFile(h.opt.PasswordFile, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Millisecond)
	}
	time.Sleep(1500 * time.Millisecond)
	w.send([]byte{0xc0, 0})
	if p := w.packet(); len(p) == 0 || p[0] != 0xd0 {
		t.Errorf("alice got % x", p)
	}
}
