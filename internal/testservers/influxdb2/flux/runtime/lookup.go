package runtime

import "github.com/influxdata/flux/semantic"

// LookupBuiltinType is asked while the program starts, for every function that
// Flux has. The types are in the part that is in Rust; nobody calls them here.
func LookupBuiltinType(_, _ string) (semantic.MonoType, error) {
	return semantic.NewFunctionType(semantic.BasicInt, nil), nil
}

// MustLookupBuiltinType is LookupBuiltinType.
func MustLookupBuiltinType(pkg, name string) semantic.MonoType {
	mt, _ := LookupBuiltinType(pkg, name)
	return mt
}
