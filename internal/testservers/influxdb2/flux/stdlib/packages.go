// Package stdlib would have every package that a query in Flux can import, and
// with them the clients of a dozen databases.
package stdlib
