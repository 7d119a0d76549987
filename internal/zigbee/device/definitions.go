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
