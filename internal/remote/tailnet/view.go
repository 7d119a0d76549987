package tailnet

import (
	"slices"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// phase is how far a node is.
type phase int

const (
	phaseOff        phase = iota
	phaseStarting         // no engine runs yet
	phaseConnecting       // it has not heard from its control server
	phaseNeedsLogin       // nobody has added it
	phaseNeedsAdmin       // a tailnet's administrator has to approve it
	phaseRunning          //
	phaseStopped          // it was told to be down
)

// view is what is known of a node.
type view struct {
	Phase     phase
	Err       string // why it cannot begin, or what its control server said
	Health    []string
	AuthURL   string
	Name      string // in DNS, without the dot at its end
	Tailnet   string
	Addresses []string
	Secure    bool      // the tailnet makes certificates for its nodes
	Expiry    time.Time // of the node's key; zero: never
	Expired   bool
}

func (v view) equal(o view) bool {
	return v.Phase == o.Phase && v.Err == o.Err && v.AuthURL == o.AuthURL && v.Name == o.Name && v.Tailnet == o.Tailnet &&
		v.Secure == o.Secure && v.Expired == o.Expired && v.Expiry.Equal(o.Expiry) &&
		slices.Equal(v.Health, o.Health) && slices.Equal(v.Addresses, o.Addresses)
}

// status says it to a householder.
func (v view) status(unasked bool) remote.Status {
	s := remote.Status{Way: remote.Tailnet, State: remote.Starting}
	trouble := strings.ToLower(v.Err + " " + strings.Join(v.Health, " "))
	switch {
	case unasked || v.Phase == phaseOff:
		s.State = remote.Off
		return s
	case v.Phase == phaseRunning:
		s.State = remote.Up
		s.Detail = "Devices of the tailnet can reach this appliance as " + v.Name + "."
		if v.Tailnet != "" {
			s.Detail = "Devices of the tailnet " + v.Tailnet + " can reach this appliance as " + v.Name + "."
		}
		if !v.Expiry.IsZero() {
			s.Action = "Turn key expiry off for this appliance in the tailnet’s admin console, or it drops out on " + v.Expiry.Format("2 January 2006") + "."
		}
		s.Links = v.links()
		return s
	case strings.Contains(trouble, "authkey") || strings.Contains(trouble, "auth key") || strings.Contains(trouble, "api key"):
		s.State = remote.NeedsYou
		s.Detail = "The tailnet does not take the key: it was used before, has expired or is another tailnet’s."
		s.Action = "Make a new key in the tailnet’s admin console, or sign in instead."
	case v.Phase == phaseNeedsLogin && v.Expired:
		s.State = remote.NeedsYou
		s.Detail = "The appliance’s key in the tailnet has expired."
		s.Action = "Sign in again, and turn key expiry off for this appliance in the tailnet’s admin console."
	case v.Phase == phaseNeedsLogin && v.AuthURL != "":
		s.State = remote.NeedsYou
		s.Detail = "The appliance waits to be added to your tailnet."
		s.Action = "Open the address on a phone or computer, and sign in there."
	case v.Phase == phaseNeedsAdmin:
		s.State = remote.NeedsYou
		s.Detail = "The tailnet’s administrator has to approve the appliance."
		s.Action = "Approve it in the tailnet’s admin console, under Machines."
	case v.Phase == phaseStopped:
		s.State = remote.Down
		s.Detail = "The node was stopped."
		s.Action = "Restart the dashboard."
	case strings.Contains(trouble, "not yet valid") || strings.Contains(trouble, "certificate has expired"):
		s.State = remote.Down
		s.Detail = "The tailnet’s certificate does not fit the appliance’s clock, which may be wrong."
		s.Action = "Nothing, if the appliance has just started: it sets its clock by the internet and tries again. Otherwise look whether it has the internet."
	case v.Err != "" || len(v.Health) > 0 && v.Phase != phaseStarting:
		s.State = remote.Down
		s.Detail = "The tailnet’s control server cannot be reached."
		s.Action = "Look whether the appliance has the internet; it is tried again all the time."
	default:
		s.Detail = "The appliance is connecting to its tailnet."
	}
	return s
}

// links are the addresses at which the node answers.
func (v view) links() (links []string) {
	scheme := "http://"
	if v.Secure {
		scheme = "https://"
	}
	if v.Name != "" {
		links = append(links, scheme+v.Name+"/")
	}
	for _, a := range v.Addresses {
		if strings.Contains(a, ":") {
			a = "[" + a + "]"
		}
		links = append(links, "http://"+a+"/")
	}
	return links
}
