package serialport

import "strings"

// firmware is what a stick's radio runs.
type firmware uint8

const (
	emberZNet firmware = iota // EZSP over ASH: what this appliance speaks
	zStack                    // Texas Instruments
	deCONZ                    // dresden elektronik
	otherRadio
)

// model is a kind of stick, told by what it says on USB. Many share the vendor
// and product numbers of their USB bridge, so words of its names decide.
type model struct {
	name            string
	vendor, product uint16
	// words must all be in "manufacturer product", which is compared in lower
	// case with "_" and "-" as spaces; none of not may be.
	words, not []string
	firmware   firmware
	// intf is the USB interface of the Zigbee radio, where there are several.
	intf uint8
	baud int  // 0: 115200
	flow Flow // "": software, as EmberZNet's images for such sticks are built
}

// models are the usual sticks, the more special first. Sources: what the sticks
// say on USB, as published in bug reports and device lists.
var models = []model{
	{name: "Sonoff ZBDongle-E", vendor: 0x1a86, product: 0x55d4, words: []string{"sonoff", "plus"}},
	{name: "Sonoff ZBDongle-E", vendor: 0x10c4, product: 0xea60, words: []string{"sonoff", "dongle plus v2"}},
	{name: "Sonoff Dongle Max MG24", vendor: 0x10c4, product: 0xea60, words: []string{"sonoff", "dongle max"}},
	{name: "Sonoff Dongle Plus MG24", vendor: 0x10c4, product: 0xea60, words: []string{"sonoff", "mg24"}},
	{name: "Sonoff Dongle Lite MG21", vendor: 0x10c4, product: 0xea60, words: []string{"sonoff", "mg21"}},
	{name: "Home Assistant Connect ZBT-1", vendor: 0x10c4, product: 0xea60, words: []string{"skyconnect"}, flow: FlowHardware},
	{name: "Home Assistant Connect ZBT-1", vendor: 0x10c4, product: 0xea60, words: []string{"connect zbt 1"}, flow: FlowHardware},
	{name: "Home Assistant Connect ZBT-2", vendor: 0x303a, product: 0x831a, words: []string{"zbt 2"}, baud: 460800, flow: FlowHardware},
	{name: "Home Assistant Connect ZBT-2", vendor: 0x303a, product: 0x4001, words: []string{"zbt 2"}, baud: 460800, flow: FlowHardware},
	{name: "SMLIGHT SLZB-07", vendor: 0x10c4, product: 0xea60, words: []string{"slzb 07"}, not: []string{"07p"}},
	{name: "Aeotec Zi-Stick", vendor: 0x10c4, product: 0xea60, words: []string{"zi stick"}},
	{name: "Elelabs ELU013", vendor: 0x10c4, product: 0xea60, words: []string{"elu013"}},
	{name: "Elelabs ELU013", vendor: 0x1a86, product: 0x7523, words: []string{"elu013"}},
	{name: "Bitron Video AV2010", vendor: 0x10c4, product: 0x8b34},
	{name: "Nortek HUSBZB-1", vendor: 0x10c4, product: 0x8a2a, intf: 1, baud: 57600},

	{name: "Sonoff ZBDongle-P", vendor: 0x10c4, product: 0xea60, words: []string{"sonoff", "dongle plus"}, firmware: zStack},
	{name: "SMLIGHT SLZB with a Texas Instruments radio", vendor: 0x10c4, product: 0xea60, words: []string{"slzb", "p7"}, firmware: zStack},
	{name: "SMLIGHT SLZB with a Texas Instruments radio", vendor: 0x10c4, product: 0xea60, words: []string{"slzb", "p10"}, firmware: zStack},
	{name: "CC2652 stick", vendor: 0x10c4, product: 0xea60, words: []string{"2652"}, firmware: zStack},
	{name: "TubesZB", vendor: 0x10c4, product: 0xea60, words: []string{"tubeszb"}, firmware: zStack},
	{name: "TubesZB", vendor: 0x1a86, product: 0x7523, words: []string{"tubeszb"}, firmware: zStack},
	{name: "ZigStar", vendor: 0x1a86, product: 0x7523, words: []string{"zigstar"}, firmware: zStack},
	{name: "CC2531", vendor: 0x0451, product: 0x16a8, firmware: zStack},
	{name: "CC2538", vendor: 0x0451, product: 0x16c8, firmware: zStack},
	{name: "Texas Instruments LaunchPad", vendor: 0x0451, product: 0xbef3, firmware: zStack},
	{name: "zzh", vendor: 0x0403, product: 0x6015, words: []string{"electrolama"}, firmware: zStack},
	{name: "ConBee II", vendor: 0x1cf1, product: 0x0030, firmware: deCONZ},
	{name: "ConBee III", vendor: 0x0403, product: 0x6015, words: []string{"conbee"}, firmware: deCONZ},
	{name: "ZiGate", vendor: 0x0403, product: 0x6015, words: []string{"zigate"}, firmware: otherRadio},
	{name: "ZiGate", vendor: 0x067b, product: 0x2303, words: []string{"zigate"}, firmware: otherRadio},
	{name: "ZiGate", vendor: 0x10c4, product: 0xea60, words: []string{"zigate"}, firmware: otherRadio},
	{name: "Nordic Zigbee NCP", vendor: 0x2fe3, product: 0x0100, firmware: otherRadio},
	{name: "Z-Wave stick", vendor: 0x0658, product: 0x0200, firmware: otherRadio},
	{name: "Z-Wave stick", vendor: 0x10c4, product: 0xea60, words: []string{"zwave"}, firmware: otherRadio},
	{name: "Z-Wave stick", vendor: 0x10c4, product: 0xea60, words: []string{"z wave"}, firmware: otherRadio},
	{name: "Z-Wave stick", vendor: 0x303a, product: 0x4001, words: []string{"zwa 2"}, firmware: otherRadio},
	{name: "Zooz Z-Wave stick", vendor: 0x1a86, product: 0x55d4, words: []string{"zooz"}, firmware: otherRadio},
}

var plainName = strings.NewReplacer("_", " ", "-", " ")

// recognise gives the kind of stick that a USB device is.
func recognise(u usb) (model, bool) {
	names := plainName.Replace(strings.ToLower(u.Manufacturer + " " + u.Product))
	has := func(word string) bool { return strings.Contains(names, word) }
next:
	for _, m := range models {
		if m.vendor != u.VendorID || m.product != u.ProductID {
			continue
		}
		for _, w := range m.words {
			if !has(w) {
				continue next
			}
		}
		for _, w := range m.not {
			if has(w) {
				continue next
			}
		}
		return m, true
	}
	return model{}, false
}
