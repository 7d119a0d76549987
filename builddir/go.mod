// What the image is made of besides this module: gokrazy's init and programs,
// the kernel and the firmware, each at one version.
module github.com/smartcore-ireland/hems/builddir

go 1.26.6

require (
	github.com/gokrazy/firmware v0.0.0-20260522070551-527ce0ed43cf
	github.com/gokrazy/gokrazy v0.0.0-20260418085648-c38c3134b8a7
	github.com/gokrazy/kernel.rpi v0.0.0-20251127164438-9778ec0261de
	github.com/smartcore-ireland/hems v0.0.0
)

replace github.com/smartcore-ireland/hems => ../
