package firmware

// A Board is what the firmware knows of the hardware it runs on.
type Board struct {
	Name string
	// DeviceTrees are the names of its device tree, the first one that is there
	// counts.
	DeviceTrees []string
	// Filters are the model filters that hold on it, without the brackets.
	Filters []string
	// Type is the number of its model, for [board-type=…].
	Type uint8
	// EEPROM: the loader is in an EEPROM, not in bootcode.bin on the card.
	EEPROM bool
	// Whole: the EEPROM has all of the firmware, there is no start.elf.
	Whole bool
	// Start is the letter that tells its start.elf from those of other boards:
	// start4.elf.
	Start string
	// Wide: a kernel is started in 64-bit mode unless config.txt says otherwise.
	Wide bool
	// Kernel is the kernel it looks for first when config.txt names none.
	Kernel string
}

// The boards an image of the appliance is for. Filters and types are those of
// Raspberry Pi documentation, config.txt, "Conditional filters" (model filters)
// and "Raspberry Pi revision codes"; the names of the device trees are those of
// the Raspberry Pi kernel's arch/arm64/boot/dts/broadcom.
var (
	Pi3     = Board{Name: "Raspberry Pi 3 Model B", DeviceTrees: []string{"bcm2710-rpi-3-b.dtb"}, Filters: []string{"pi3"}, Type: 0x08}
	Pi3Plus = Board{Name: "Raspberry Pi 3 Model B+", DeviceTrees: []string{"bcm2710-rpi-3-b-plus.dtb"}, Filters: []string{"pi3", "pi3+"}, Type: 0x0d}
	Zero2W  = Board{Name: "Raspberry Pi Zero 2 W", DeviceTrees: []string{"bcm2710-rpi-zero-2-w.dtb", "bcm2710-rpi-zero-2.dtb"}, Filters: []string{"pi0", "pi0w", "pi02"}, Type: 0x12}
	// "EEPROM boot flow": since the Raspberry Pi 4 the second-stage loader is in
	// an EEPROM; "arm_64bit": it is the default from there on.
	Pi4 = Board{Name: "Raspberry Pi 4 Model B", DeviceTrees: []string{"bcm2711-rpi-4-b.dtb"}, Filters: []string{"pi4"}, Type: 0x11, EEPROM: true, Start: "4", Wide: true}
	// "Differences on Raspberry Pi 5": the loader has an embedded start.elf.
	Pi5 = Board{Name: "Raspberry Pi 5", DeviceTrees: []string{"bcm2712-rpi-5-b.dtb", "bcm2712d0-rpi-5-b.dtb"}, Filters: []string{"pi5"}, Type: 0x17, EEPROM: true, Whole: true, Wide: true, Kernel: "kernel_2712.img"}
)

// Boards are all of them.
var Boards = []Board{Pi3, Pi3Plus, Zero2W, Pi4, Pi5}
