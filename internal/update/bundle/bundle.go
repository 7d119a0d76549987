// Package bundle is a release in one file, hems-<version>.hems: it knows how it
// is written and every way in which one is refused. It must never know where a
// release is installed.
//
// The file is a plain tar archive, so "tar tvf" shows it:
//
//	manifest.json         what it is, with size and SHA-256 of each of the rest
//	manifest.sig          signature of manifest.json (package sign)
//	boot/vmlinuz.gz       the kernel
//	boot/*.dtb            device trees
//	boot/overlays/*       overlays
//	root.img              the root file system
//
// It has exactly one form: what Write writes of a manifest, byte for byte.
// Open takes nothing else, and nothing is believed before its signature is.
package bundle

import (
	"github.com/smartcore-ireland/hems/internal/update/refusal"
)

// What this appliance is.
const (
	Product = "smartcore-hems"
	Board   = "raspberrypi-arm64" // Raspberry Pi 3, 4, 5 and Zero 2 W
)

// Extension is how the name of a bundle's file ends.
const Extension = ".hems"

// The reasons why a bundle is refused, besides those of package sign.
var (
	ErrNotBundle = refusal.New("not_a_bundle", "the file is not an update of this appliance",
		"choose a file whose name ends in .hems")
	ErrCutShort = refusal.New("cut_short", "the update is cut short",
		"the transfer was interrupted or the disk is full: get the file again")
	ErrTooLarge = refusal.New("too_large", "the update is too large",
		"get the release from where it is published")
	ErrContents = refusal.New("contents", "the update does not hold what its signed list says: it was damaged or changed",
		"get the file again from where it is published")
	ErrProduct = refusal.New("other_product", "the update is for another product",
		"get the release of "+Product)
	ErrBoard = refusal.New("other_board", "the update is for another board",
		"get the release for this board")
	ErrOlder = refusal.New("older_version", "the update is older than what runs",
		"an older version is installed only when that is asked for")
)

// Bounds of what a stranger may send.
const (
	DefaultMaxSize = 512 << 20 // bytes of a bundle
	maxManifest    = 1 << 20   // bytes
	maxSignature   = 16 << 10  // bytes
	maxFiles       = 2000
	maxName        = 64      // bytes of a file's name within its directory
	maxNotes       = 8 << 10 // bytes
)

// names of the two members that come first.
const (
	manifestName  = "manifest.json"
	signatureName = "manifest.sig"
)
