//go:build !race

package conformance

// raceEnabled makes long tests shorter.
const raceEnabled = false
