//go:build !race

package network

const slower = 1
