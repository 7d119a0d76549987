package keeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smartcore-ireland/hems/internal/boot/report"
)

// Handover is what the first process tells the keeper once it has done its work,
// right before it becomes gokrazy's.
type Handover struct {
	Report report.Boot   // without the watchdog
	Trial  time.Duration // in what time this system must be confirmed; zero when it is no trial
	Perm   string        // the mounted partition, by its name among the kernel's devices; "" in memory
	Hold   string        // a partition's device that nobody may mount, or ""
	// MendAfter is how long the appliance runs at least before it is started
	// again for the repair of its file system.
	MendAfter time.Duration
}

// maxHandover bounds it, in bytes.
const maxHandover = 64 << 10

// A Process is the keeper as the first process sees it.
type Process struct {
	line *os.File
	cmd  *exec.Cmd
}

// Start starts the keeper: this program again, with the argument "keeper" and
// its end of a line to us as descriptor 3.
func Start(program string) (*Process, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("starting the watchdog's keeper: %w", err)
	}
	for _, fd := range ends {
		if err := unix.SetNonblock(fd, true); err != nil { // so that deadlines hold
			return nil, fmt.Errorf("starting the watchdog's keeper: %w", err)
		}
	}
	ours, its := os.NewFile(uintptr(ends[0]), "line"), os.NewFile(uintptr(ends[1]), "line")
	defer its.Close()
	cmd := exec.Command(program, "keeper")
	cmd.Args[0] = "hems-boot"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{its}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the watchdog's keeper: %w", err), ours.Close())
	}
	return &Process{line: ours, cmd: cmd}, nil
}

// Hand hands over and waits for the answer, for at most d: from then on what was
// to be held is held.
func (p *Process) Hand(h Handover, d time.Duration) error {
	err := p.line.SetDeadline(time.Now().Add(d))
	if err == nil {
		err = json.NewEncoder(p.line).Encode(h)
	}
	if err == nil {
		_, err = io.ReadFull(p.line, make([]byte, 1))
	}
	if err != nil {
		return fmt.Errorf("handing over to the watchdog's keeper: %w", err)
	}
	return nil
}

// Line is the keeper's end of the line.
func Line() *os.File { return os.NewFile(3, "line") }

func receive(line io.Reader) (Handover, error) {
	var h Handover
	if err := json.NewDecoder(io.LimitReader(line, maxHandover)).Decode(&h); err != nil {
		return Handover{}, fmt.Errorf("taking over from the first process: %w", err)
	}
	return h, nil
}

func answer(line io.Writer) error {
	if _, err := line.Write([]byte{'\n'}); err != nil {
		return fmt.Errorf("answering the first process: %w", err)
	}
	return nil
}
