package appliance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Process is one program of the appliance.
type Process struct {
	Name     string   // of the program under cmd
	User     string   // its MQTT user; "" for the broker itself
	Dir      string   // its directory under the data directory
	Sections []string // of hems.yaml it needs
	Socket   string   // its unix socket in the runtime directory, see Env.Socket
	Keeps    []Kept   // what a backup takes along of it
}

// Run is what a process does: put together by the packages below this one, so
// that each program links only its own rooms.
type Run func(context.Context, Env, Config) error

// Processes is the table of the programs that make up the appliance, in the
// order in which data flows through them. They may start in any order.
var Processes = []Process{
	{Name: "hems-broker", Dir: "broker", Sections: []string{"mqtt"},
		Keeps: []Kept{{Path: "broker", What: "retained messages"}, {Path: "secrets", What: "passwords and tokens"}}},
	{Name: "hems-zigbee", User: "zigbee", Dir: "zigbee", Sections: []string{"zigbee"},
		Keeps: []Kept{{Path: "zigbee", What: "the Zigbee network and its devices"}}},
	{Name: "hems-metrics", User: "metrics", Dir: "store", Sections: []string{"home", "metrics"}, Socket: "metrics.sock",
		Keeps: []Kept{storeKept}},
	{Name: "hems-gateway", User: "gateway", Dir: "gateway", Sections: []string{"home", "gateway", "home_assistant", "cloudflare", "tailnet"},
		Keeps: []Kept{gatewayKept, {Path: "tailnet", What: "the tailnet's keys"}}},
	// It reads hems.yaml for itself: it may neither wait for its correction, being
	// what corrects it, nor begin anew in the middle of an update.
	{Name: "hems-manager", User: "manager", Dir: "manager",
		Keeps: []Kept{{Path: ConfigFile, What: "settings"}, {Path: "mqtt", What: "the users of MQTT"}, {Path: "pki", What: "the certificate authority"}}},
}

// PersonUser is the MQTT user of the householder: mosquitto_sub, Home
// Assistant, Node-RED.
const PersonUser = "home"

// BridgeUser is the MQTT user of the broker's bridges to other brokers.
const BridgeUser = "bridge"

// Users are all users of the broker.
func Users() []string {
	users := []string{PersonUser, BridgeUser}
	for _, p := range Processes {
		if p.User != "" {
			users = append(users, p.User)
		}
	}
	return users
}

// Main is the whole of a process's main: environment, signals, its user,
// configuration, run, exit status. What is in asRoot is done on a card before
// the process gives up being root, and elsewhere not at all.
func Main(name string, run Run, asRoot ...func(Env) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env, err := EnvFromOS(os.Getenv)
	if err == nil {
		err = start(ctx, name, env, run, asRoot)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: error: %v\n", name, err)
		os.Exit(1)
	}
}

// start runs the process of that name until ctx ends. It returns nil after a
// clean stop.
func start(ctx context.Context, name string, env Env, run Run, asRoot []func(Env) error) error {
	i := slices.IndexFunc(Processes, func(p Process) bool { return p.Name == name })
	if i < 0 {
		return fmt.Errorf("no process of the appliance is called %q", name)
	}
	p := Processes[i]
	ok, err := p.settle(ctx, &env, asRoot)
	if !ok {
		return err
	}
	env.Log.Info("starting", "version", Version, "data", env.Data)
	return p.runAgain(ctx, env, run, lookEvery)
}

// awaitConfig loads hems.yaml. An error in the process's own sections is said
// once and waited out: a process that ended would be started again each second
// only to say the same, and the others go on meanwhile.
func (p Process) awaitConfig(ctx context.Context, env Env) (Config, error) {
	said := ""
	for {
		cfg, err := p.loadConfig(env)
		if err == nil {
			return cfg, nil
		}
		if s := err.Error(); s != said {
			env.Log.Error("waiting for hems.yaml to be corrected", "err", s)
			said = s
		}
		select {
		case <-ctx.Done():
			return Config{}, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// Password reads the MQTT password of a user, which the broker makes when it
// starts for the first time.
func (e Env) Password(user string) func() (string, error) {
	return func() (string, error) {
		if e.password != "" && user == e.passwordOf {
			return e.password, nil
		}
		b, err := os.ReadFile(e.Secret("mqtt-" + user))
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("reading the MQTT password of %s: the broker has not made it yet: %w", user, err)
		}
		if err != nil {
			return "", fmt.Errorf("reading the MQTT password of %s: %w", user, err)
		}
		return strings.TrimSpace(string(b)), nil
	}
}
