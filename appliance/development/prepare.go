package development

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/backup/staged"
	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/gateway/signin"
)

// envFile is where a shell finds everything to talk to the demonstration.
const envFile = "demo.env"

// config is the first hems.yaml of a development appliance: readings reach the
// store within seconds, because nobody's SD card wears out.
const config = `# The one configuration file of the appliance. A key that is not known is an
# error with its line, and only the process that needs the section waits for it
# to be corrected.
home:
  name: Home
  time_zone: Europe/Dublin
metrics:
  commit_every: 5s
`

// credentials is how the person gets in.
type credentials struct {
	URL, User, Password string
}

// applyRestore puts a backup in place that waits for this start, as the first
// program of a card does.
func (d *run) applyRestore() error {
	o, err := staged.Apply(d.Env.Data)
	if err != nil {
		return err
	}
	switch o.Result {
	case staged.Restored:
		fmt.Fprintf(d.Stdout, "The backup of %s was put in place.\n", o.From.MadeAt.Local().Format(time.DateTime))
	case staged.Kept:
		fmt.Fprintf(d.Stdout, "error: the backup could not be put in place: %s\n", o.Why)
	}
	return nil
}

// prepare makes what the first start needs: hems.yaml, the broker's passwords,
// the owner's account, demo.env.
func (d *run) prepare() error {
	err := atomicfile.Create(d.Env.Path(appliance.ConfigFile), []byte(config), 0o600)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := d.checkConfig(); err != nil {
		return err
	}
	if err := broker.EnsureCredentials(d.Env.Path("secrets"), appliance.Users()...); err != nil {
		return err
	}
	known, err := readEnv(d.Env.Path(envFile))
	if err != nil {
		return err
	}
	d.person = d.owner(known["HEMS_PASSWORD"])
	if d.person.Password == "" {
		if d.person.Password, err = randomPassword(); err != nil {
			return err
		}
		if err := d.seedOwner(); err != nil {
			return err
		}
	}
	return d.writeEnv()
}

// owner is the person who signs in with password.
func (d *run) owner(password string) credentials {
	host := d.Env.Listen
	if ip := net.ParseIP(host); host == "" || ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		host = "localhost"
	}
	return credentials{
		URL:      "http://" + net.JoinHostPort(host, strconv.Itoa(d.Env.Number(appliance.PortDashboard))),
		User:     "owner",
		Password: password,
	}
}

// checkConfig shows what is wrong in hems.yaml before anything starts; the
// processes it concerns wait, the others run.
func (d *run) checkConfig() error {
	_, problems, err := appliance.LoadConfig(d.Env.Path(appliance.ConfigFile))
	if err == nil {
		err = problems.Err()
	}
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintf(d.Stdout, "error: %s\n", line)
		}
	}
	return nil
}

// seedOwner hands the gateway the owner's account. It is called only when
// demo.env does not know the password, so a password changed in the dashboard
// stays.
func (d *run) seedOwner() error {
	return signin.WriteSeed(d.Env.Path("gateway"), d.person.User, d.person.Password)
}

func (d *run) writeEnv() error {
	mqtt, err := d.Env.Password(appliance.PersonUser)()
	if err != nil {
		return errors.Join(errNoBroker, err)
	}
	return d.writeEnvFor(mqtt)
}

// writeEnvFor writes demo.env for a broker whose person has that password.
func (d *run) writeEnvFor(mqtt string) error {
	var b strings.Builder
	for _, kv := range [][2]string{
		{"HEMS_URL", d.person.URL},
		{"HEMS_USER", d.person.User},
		{"HEMS_PASSWORD", d.person.Password},
		{"MQTT_HOST", "localhost"},
		{"MQTT_PORT", strconv.Itoa(d.Env.Number(appliance.PortMQTT))},
		{"MQTT_TLS_PORT", strconv.Itoa(d.Env.Number(appliance.PortMQTTTLS))},
		{"MQTT_WEBSOCKET_PORT", strconv.Itoa(d.Env.Number(appliance.PortMQTTWebSocket))},
		{"MQTT_USER", appliance.PersonUser},
		{"MQTT_PASSWORD", mqtt},
	} {
		fmt.Fprintf(&b, "export %s='%s'\n", kv[0], kv[1]) // none of them can hold a quote
	}
	return atomicfile.Write(d.Env.Path(envFile), []byte(b.String()), 0o600)
}

// readEnv reads a file of writeEnv; one that is not there is empty.
func readEnv(path string) (map[string]string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the demonstration's passwords: %w", err)
	}
	m := map[string]string{}
	for line := range strings.Lines(string(b)) {
		k, v, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if ok {
			m[k] = strings.Trim(v, "'")
		}
	}
	return m, nil
}

func randomPassword() (string, error) {
	b := make([]byte, 10)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("making a password: %w", err)
	}
	return hex.EncodeToString(b), nil
}
