package signin

import "fmt"

// Role is what an account may do. A role may do everything that one below it may.
type Role int8

// The roles.
const (
	Nobody Role = iota // has no account
	Viewer             // looks at the house
	Member             // lives in it: pairs, names and switches devices, knows the bill
	Owner              // answers for it: people, ways in, updates, backups, settings
)

var roleNames = [...]string{"nobody", "viewer", "member", "owner"}

func (r Role) String() string {
	if r < Nobody || r > Owner {
		return "unknown"
	}
	return roleNames[r]
}

// ParseRole reads the name of a role that an account can have.
func ParseRole(s string) (Role, error) {
	for r := Viewer; r <= Owner; r++ {
		if roleNames[r] == s {
			return r, nil
		}
	}
	return Nobody, fmt.Errorf("%q is no role: choose viewer, member or owner", s)
}

// MarshalText writes the name of a role.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the name of a role that an account can have.
func (r *Role) UnmarshalText(b []byte) (err error) {
	*r, err = ParseRole(string(b))
	return err
}
