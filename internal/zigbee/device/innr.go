package device

var innrMeasures = measures(power, voltage, current, energy)

func innrPlug(model, description string, ota bool, parts ...Part) Definition {
	return Definition{Model: model, Vendor: "Innr", Description: description, OTA: ota, Match: models(model), Parts: parts}
}

// innr's plugs list the level cluster and cannot be dimmed.
var innr = []Definition{
	innrPlug("SP 240", "Smart plug (EU)", true, onOff(), powerOn(), innrMeasures),
	innrPlug("SP 242", "Smart plug (UK)", true, onOff(), powerOn(), innrMeasures),
	innrPlug("SP 244", "Smart plug (US)", true, onOff(), powerOn(), innrMeasures),
	innrPlug("OSP 240", "Outdoor smart plug", false, onOff(), powerOn(), innrMeasures),
	innrPlug("SP 120", "Smart plug", false, onOff(), innrFixed),
	innrPlug("SP 234", "Smart plug", true, onOff(), powerOn(), innrFixed),
	innrPlug("SP 110", "Smart plug", false, onOff(), powerOn()),
	innrPlug("SP 220", "Smart plug", false, onOff(), powerOn()),
	innrPlug("SP 222", "Smart plug", true, onOff(), powerOn()),
	innrPlug("SP 224", "Smart plug", true, onOff(), powerOn()),
	innrPlug("OSP 210", "Outdoor smart plug", false, onOff(), powerOn()),
}

var innrFixed = measures(power.fixed(1, 1), voltage.fixed(1, 1), current.fixed(1, 1000), energy.fixed(1, 100))
