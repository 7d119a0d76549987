package image

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommandLineOfTheKernel(t *testing.T) {
	// As gok writes it: with the Pi's consoles, padded.
	got := onSerial("console=tty1 console=serial0,115200 root=PARTUUID=60c24cc1-f3f9-427a-8199-1f73bb360001/PARTNROFF=1 init=/gokrazy/init rootwait panic=10 oops=panic      \n\x00")
	want := "console=ttyAMA0 root=PARTUUID=60c24cc1-f3f9-427a-8199-1f73bb360001/PARTNROFF=1 init=/gokrazy/init rootwait panic=10 oops=panic"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("command line (-want +got):\n%s", diff)
	}
}

func TestArgumentsOfTheMachine(t *testing.T) {
	v := &VM{Disk: "/a,b/card.img", Dongle: "127.0.0.1:6638", Forward: []Forward{{"127.0.0.1:8080", 80}, {"[::1]:1883", 1883}}}
	args := v.args("/k", "console=ttyAMA0")
	for _, want := range [][2]string{
		{"-kernel", "/k"},
		{"-append", "console=ttyAMA0"},
		{"-device", "virtio-blk-pci,drive=card"},
		{"-action", "watchdog=reset"},
		{"-drive", "if=none,id=card,format=raw,file=/a,,b/card.img"},
		{"-netdev", "user,id=lan,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=tcp:[::1]:1883-:1883"},
		{"-chardev", "socket,id=dongle,host=127.0.0.1,port=6638,nodelay=on,reconnect=1"},
	} {
		if i := slices.Index(args, want[1]); i < 1 || args[i-1] != want[0] {
			t.Errorf("%s %s is not among %q", want[0], want[1], args)
		}
	}
	if args := strings.Join((&VM{Disk: "d"}).args("k", ""), " "); strings.Contains(args, "usb") || strings.Contains(args, "dongle") {
		t.Errorf("a machine without a dongle has one: %s", args)
	}
}
