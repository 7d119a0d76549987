package device

var innrMeasures = measures(power, voltage, current, energy)

func innrPlug(model string, parts ...Part) Definition {
	return Definition{Model: model, Vendor: "Innr", Description: "Smart plug", OTA: true, Match: models(model), Parts: parts}
}

// innr's plugs list the level cluster and cannot be dimmed.
var innr = []Definition{
	innrPlug("SP 240", onOff(), powerOn(), innrMeasures),
	innrPlug("SP 242", onOff(), powerOn(), innrMeasures),
	innrPlug("SP 244", onOff(), powerOn(), innrMeasures),
	innrPlug("OSP 240", onOff(), powerOn(), innrMeasures),
	innrPlug("SP 120", onOff(), innrFixed),
	innrPlug("SP 234", onOff(), powerOn(), innrFixed),
	innrPlug("SP 110", onOff(), powerOn()),
	innrPlug("SP 220", onOff(), powerOn()),
	innrPlug("SP 222", onOff(), powerOn()),
	innrPlug("SP 224", onOff(), powerOn()),
	innrPlug("OSP 210", onOff(), powerOn()),
}

var innrFixed = measures(power.fixed(1, 1), voltage.fixed(1, 1), current.fixed(1, 1000), energy.fixed(1, 100))
