package delivery

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Kind is what server a destination is.
type Kind string

// The kinds of server. What they take and answer is measured for InfluxDB 1.8 and
// 2.7 and for VictoriaMetrics; InfluxDB 3 and VictoriaMetrics' cluster are done as
// their makers' documentation says.
const (
	InfluxDB2       Kind = "influxdb2"
	InfluxDB1       Kind = "influxdb1"
	InfluxDB3       Kind = "influxdb3"
	VictoriaMetrics Kind = "victoriametrics"
)

// Kinds are all of them, as they are written.
var Kinds = []Kind{InfluxDB2, InfluxDB1, InfluxDB3, VictoriaMetrics}

// Title is what people call the server.
func (k Kind) Title() string {
	switch k {
	case InfluxDB1:
		return "InfluxDB 1"
	case InfluxDB3:
		return "InfluxDB 3"
	case VictoriaMetrics:
		return "VictoriaMetrics"
	}
	return "InfluxDB 2"
}

// keepsTexts reports whether the server stores a string as one: VictoriaMetrics
// makes 0 of it.
func (k Kind) keepsTexts() bool { return k != VictoriaMetrics }

// target is where lines are posted.
func (d Destination) target() (*url.URL, error) {
	u, err := url.Parse(d.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("destination %s: its address should be like http://192.0.2.1:8086", d.Name)
	}
	q := u.Query()
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	switch d.Kind {
	case InfluxDB2:
		u = u.JoinPath("api/v2/write")
		q.Set("org", d.Org)
		q.Set("bucket", d.Bucket)
		q.Set("precision", "ns")
	case InfluxDB1:
		u = u.JoinPath("write")
		q.Set("db", d.Database)
		set("rp", d.RetentionPolicy)
		q.Set("precision", "ns")
	case InfluxDB3:
		// accept_partial is its default, and said because the answers depend on it.
		u = u.JoinPath("api/v3/write_lp")
		q.Set("db", d.Database)
		q.Set("precision", "nanosecond")
		q.Set("accept_partial", "true")
	case VictoriaMetrics:
		if d.Tenant != "" {
			u = u.JoinPath("insert", d.Tenant, "influx")
		}
		u = u.JoinPath("api/v2/write")
		q.Set("precision", "ns")
	default:
		return nil, fmt.Errorf("destination %s: %q is no kind of destination", d.Name, d.Kind)
	}
	u.RawQuery = q.Encode()
	return u, nil
}

// signIn adds what the server asks of those who write. The error is a *problem.
func (d Destination) signIn(req *http.Request) error {
	secret := func(of Secret, what string) (string, error) {
		s, err := of()
		if err != nil {
			return "", &problem{kind: misconfigured, text: "its " + what + " cannot be read: " + err.Error(),
				hint: "put the " + what + " of " + d.Name + " in its file under secrets/"}
		}
		return strings.TrimSpace(s), nil
	}
	switch {
	case d.Token != nil:
		token, err := secret(d.Token, "token")
		if err != nil {
			return err
		}
		scheme := "Bearer "
		if d.Kind == InfluxDB2 || d.Kind == InfluxDB1 {
			scheme = "Token "
		}
		req.Header.Set("Authorization", scheme+token)
	case d.Password != nil:
		password, err := secret(d.Password, "password")
		if err != nil {
			return err
		}
		req.SetBasicAuth(d.User, password)
	}
	return nil
}

// place is what a householder calls the part of the server that readings go to.
func (d Destination) place() string {
	switch {
	case d.Kind == InfluxDB2:
		return "bucket " + d.Bucket
	case d.Database != "":
		return "database " + d.Database
	}
	return d.Kind.Title()
}

// checks is what to look at when the server does not know where to put readings.
func (d Destination) checks() string {
	switch d.Kind {
	case InfluxDB2:
		return "check the address, organisation and bucket of " + d.Name
	case InfluxDB1, InfluxDB3:
		return "check the address and the database of " + d.Name
	}
	return "check the address of " + d.Name
}
