// Package tailnet follows the whole way of a phone: over a tailnet to the real
// programs, and into a browser. It is apart from the other end-to-end tests because
// it links the tailnet's software, which they need not be built with.
package tailnet
