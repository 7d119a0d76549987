//go:build race

package network

// slower is how much slower all is under the race detector.
const slower = 20
