package bundle

import (
	"strings"

	"golang.org/x/mod/semver"
)

// canonical is a version as package semver takes it. A version may have a "v"
// before it or not; it has all of major, minor and patch.
func canonical(version string) (string, bool) {
	v := "v" + strings.TrimPrefix(version, "v")
	if !semver.IsValid(v) || len(v) > 128 {
		return "", false
	}
	return v, semver.Canonical(v) == strings.TrimSuffix(v, semver.Build(v))
}

// ValidVersion says whether a release may have this version: a semantic one,
// with or without "v" before it.
func ValidVersion(version string) bool {
	_, ok := canonical(version)
	return ok
}

// Older says whether version comes before running, as semantic versions do:
// what follows a "+" does not count. A running version that is no semantic one,
// of a development build, is older than any.
func Older(version, running string) bool {
	r, ok := canonical(running)
	if !ok {
		return false
	}
	v, ok := canonical(version)
	return !ok || semver.Compare(v, r) < 0
}
