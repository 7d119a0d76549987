package device

// definitions is every model this package knows. A new one is a function like
// emizb141 and a line here.
var definitions = []*Definition{
	complete(emizb141()),
}

// complete fills in what follows from the sources: what a person sees.
func complete(d Definition) *Definition {
	for _, s := range d.sources {
		d.Exposes = append(d.Exposes, s.Quantity.expose(AccessState|AccessGet))
	}
	d.Exposes = append(d.Exposes, LinkQuality.expose(AccessState))
	return &d
}

// Definition is what is known about a model.
type Definition struct {
	// Model, Vendor and Description are for people.
	Model, Vendor, Description string
	// Exposes is what a person sees of the device, the link quality last.
	Exposes []Expose
	// Setup is done in order once the device is in the network.
	Setup []Setup

	match   []Identity
	sources []Source
}

// Find is the definition of a device. One that has not said who made it is
// found by its model alone, so that it is usable after an interview that missed
// a step.
func Find(id Identity) (*Definition, bool) {
	for _, d := range definitions {
		for _, m := range d.match {
			if m.ModelID == id.ModelID && (m.ManufacturerName == id.ManufacturerName || id.ManufacturerName == "") {
				return d, true
			}
		}
	}
	return nil, false
}
