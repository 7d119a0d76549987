package appliance

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// Destination is a time-series server that is sent every reading. Secrets are
// names of files under secrets.
type Destination struct {
	Name string          `yaml:"name"` // of its cursor, kept across changes of the rest
	Kind DestinationKind `yaml:"kind"` // "influxdb2" (also when empty), "influxdb1", "influxdb3", "victoriametrics"
	URL  URL             `yaml:"url"`  // http or https, without the path that is written to

	Org    string `yaml:"org"`    // of influxdb2
	Bucket string `yaml:"bucket"` // of influxdb2

	Database        string `yaml:"database"`         // of influxdb1 and influxdb3
	RetentionPolicy string `yaml:"retention_policy"` // of influxdb1; empty: the database's own
	Tenant          string `yaml:"tenant"`           // of a cluster of victoriametrics: "0", "12:3"

	Token    string `yaml:"token"`    // a file with the token
	User     string `yaml:"user"`     // with password, of influxdb1 and victoriametrics
	Password string `yaml:"password"` // a file with the password

	CA          string `yaml:"ca"`          // a file with the authority that vouches for the server, in PEM
	Certificate string `yaml:"certificate"` // files with ours, and its key, in PEM
	Key         string `yaml:"key"`

	From BeginAt `yaml:"from"` // where a new one begins: "everything" (also when empty), "now", or a time
	// Window is how much is sent again after the server was away: empty is two
	// minutes for victoriametrics and nothing for others; up to 24 hours.
	Window Duration `yaml:"window"`
}

// DestinationKind is what server a destination is.
type DestinationKind string

// UnmarshalYAML implements yaml.Unmarshaler.
func (k *DestinationKind) UnmarshalYAML(n *yaml.Node) error {
	switch n.Value {
	case "", "influxdb2", "influxdb1", "influxdb3", "victoriametrics":
		*k = DestinationKind(n.Value)
		return nil
	}
	return fmt.Errorf("%q is not a kind of destination: give influxdb2, influxdb1, influxdb3 or victoriametrics", n.Value)
}

// BeginAt is where a new destination begins; the zero value is everything.
type BeginAt struct {
	Now bool
	At  time.Time
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (b *BeginAt) UnmarshalYAML(n *yaml.Node) error {
	switch n.Value {
	case "", "everything":
		*b = BeginAt{}
		return nil
	case "now":
		*b = BeginAt{Now: true}
		return nil
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(form, n.Value); err == nil && at.Unix() > 0 {
			*b = BeginAt{At: at}
			return nil
		}
	}
	return fmt.Errorf("%q is not where a destination can begin: give everything, now, a day such as 2026-11-20, or a time such as 2026-11-20T00:00:00Z", n.Value)
}

// MarshalYAML implements yaml.Marshaler.
func (b BeginAt) MarshalYAML() (any, error) {
	switch {
	case b.Now:
		return "now", nil
	case b.At.IsZero():
		return "everything", nil
	}
	return b.At.UTC().Format(time.RFC3339), nil
}

// secrets are the files it names.
func (d Destination) secrets() []string {
	return []string{d.Token, d.Password, d.CA, d.Certificate, d.Key}
}

var tenantRE = regexp.MustCompile(`^[0-9]{1,10}(:[0-9]{1,10})?$`)

// maxWindow bounds a destination's window.
const maxWindow = 24 * time.Hour

// checkDestinations is the part of Check that is about destinations.
func checkDestinations(all []Destination) error {
	seen := map[string]bool{}
	for i, d := range all {
		path := fmt.Sprintf("destinations[%d]", i)
		if err := d.check(path); err != nil {
			return err
		}
		if seen[d.Name] {
			return at(path+".name", "is %q, as that of another: give each a name of its own", d.Name)
		}
		seen[d.Name] = true
	}
	return nil
}

func (d Destination) check(path string) error {
	switch {
	case !nameRE.MatchString(d.Name):
		return at(path+".name", "is %q: give a short name of a-z, 0-9, _ and -", d.Name)
	case d.URL.URL == nil:
		return at(path+".url", "is missing: give the server's address, such as http://192.0.2.1:8086")
	}
	if err := d.checkPlace(path); err != nil {
		return err
	}
	for _, f := range []struct{ key, name string }{
		{"token", d.Token}, {"password", d.Password}, {"ca", d.CA}, {"certificate", d.Certificate}, {"key", d.Key},
	} {
		switch {
		case f.name == "":
		case !secretRE.MatchString(f.name):
			return at(path+"."+f.key, "is not a file name: put what it stands for in a file under secrets/ and give the file's name")
		case ownRE.MatchString(f.name):
			return at(path+"."+f.key, "is %q, which is a secret of the appliance itself: give the file another name", f.name)
		}
	}
	switch w := time.Duration(d.Window); {
	case (d.Certificate == "") != (d.Key == ""):
		return at(path, "has one of certificate and key: give both or none")
	case d.URL.Scheme != "https" && d.CA+d.Certificate != "":
		return at(path+".url", "does not begin with https: without it there are no certificates")
	case d.Token != "" && d.Password != "":
		return at(path+".token", "and password are both given: give the one that the server asks for")
	case w < 0 || w > maxWindow:
		return at(path+".window", "is %v: give up to 24h", w)
	}
	return nil
}

// checkPlace is about what says where on the server readings go: each kind has
// keys of its own, and those of another are a mistake.
func (d Destination) checkPlace(path string) error {
	kind := string(d.Kind)
	if kind == "" {
		kind = "influxdb2"
	}
	for _, k := range []struct {
		key, value, hint string
		needs, takes     []string
	}{
		{"bucket", d.Bucket, "give the bucket", []string{"influxdb2"}, nil},
		{"org", d.Org, "", nil, []string{"influxdb2"}},
		{"database", d.Database, "give the database", []string{"influxdb1", "influxdb3"}, nil},
		{"retention_policy", d.RetentionPolicy, "", nil, []string{"influxdb1"}},
		{"tenant", d.Tenant, "", nil, []string{"victoriametrics"}},
		{"user", d.User, "", nil, []string{"influxdb1", "victoriametrics"}},
		{"password", d.Password, "", nil, []string{"influxdb1", "victoriametrics"}},
	} {
		needed, taken := slices.Contains(k.needs, kind), slices.Contains(k.takes, kind)
		switch {
		case needed && k.value == "":
			return at(path+"."+k.key, "is missing: %s", k.hint)
		case !needed && !taken && k.value != "":
			return at(path+"."+k.key, "is for another kind of destination than %s: remove it", kind)
		}
	}
	switch {
	case d.Tenant != "" && !tenantRE.MatchString(d.Tenant):
		return at(path+".tenant", "is %q: give an account such as 0, or account:project", d.Tenant)
	case (d.User == "") != (d.Password == ""):
		return at(path, "has one of user and password: give both or none")
	}
	return nil
}
