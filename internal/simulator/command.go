package simulator

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/ncp"
)

// Command is the program hems-simulator: it reads its arguments, without the
// program's name, logs to stderr, and runs until ctx ends.
func Command(ctx context.Context, args []string, stderr io.Writer) error {
	var o Options
	level := slog.LevelInfo
	f := flag.NewFlagSet("hems-simulator", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.Pty, "pty", "", "`path` of a symbolic link to the dongle's pseudo-terminal")
	f.StringVar(&o.Listen, "listen", "", "TCP `address` of the dongle, like 127.0.0.1:6638")
	f.StringVar(&o.State, "state", "", "`file` that keeps the network and the devices; without it they are forgotten")
	f.StringVar(&o.Control, "control", "", "`path` of the Unix socket for pressing buttons and pulling plugs")
	f.StringVar(&o.Trace, "trace", "", "`file` that gets a JSON line for each report")
	f.DurationVar(&o.ReportEvery, "report-every", 0, "let the devices count and report at this `interval`, for measuring")
	f.Func("devices", "`models` in the house, like \"EMIZB-141,TS011F+code,SNZB-02D*3\" (+code: it joins with its install code); without it the meter alone", func(list string) (err error) {
		o.Devices, err = ParseDevices(list)
		return err
	})
	f.Func("ezsp", "protocol `version` that the dongle speaks: 8 to 14 or 16 to 19; 13 when it is not said", func(v string) error {
		n, err := strconv.ParseUint(v, 10, 8)
		if err != nil || !slices.Contains(ncp.Versions(), uint8(n)) {
			return fmt.Errorf("no firmware speaks it: one of %v", ncp.Versions())
		}
		o.EZSP = uint8(n)
		return nil
	})
	f.Uint64Var(&o.Seed, "seed", 1, "`number` that makes the house and its noise this one and no other")
	f.TextVar(&level, "log", slog.LevelInfo, "least `level` of what is logged: debug, info, warn, error")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("unexpected argument %q: everything is said by flags, see --help", f.Arg(0))
	case o.Pty == "" && o.Listen == "":
		return errors.New("no line for the host: name one with --pty or --listen")
	case o.ReportEvery < 0 || o.ReportEvery > 0 && o.ReportEvery < 10*time.Microsecond:
		return fmt.Errorf("--report-every %v is too short: at least 10µs", o.ReportEvery)
	}
	o.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	s, err := Start(ctx, o)
	if err != nil {
		return err
	}
	o.Log.Info("dongle simulator runs", "pty", s.Pty(), "tcp", s.Addr(), "state", o.State, "devices", len(s.devices))
	for _, d := range s.devices {
		o.Log.Info("device", "model", d.model.Name, "eui64", d.node.EUI64())
	}
	return s.Wait()
}
