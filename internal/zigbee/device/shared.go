package device

import (
	"fmt"
	"runtime"
	"sync"
	"weak"
)

// compiled are the models in use, by all that they follow from. A house has many
// devices of one kind, and the model is most of what each of them takes.
var compiled = struct {
	sync.Mutex
	of map[string]weak.Pointer[Model]
}{of: make(map[string]weak.Pointer[Model])}

// shared gives the model that makes made when there is none in use with that key.
func shared(key string, makes func() *Model) *Model {
	compiled.Lock()
	defer compiled.Unlock()
	if m := compiled.of[key].Value(); m != nil {
		return m
	}
	m := makes()
	compiled.of[key] = weak.Make(m)
	runtime.AddCleanup(m, forget, key)
	return m
}

// forget is after a model is no longer in use.
func forget(key string) {
	compiled.Lock()
	defer compiled.Unlock()
	if compiled.of[key].Value() == nil { // or there is a new one
		delete(compiled.of, key)
	}
}

// key is the same for equal subjects and no others.
func (s Subject) key() string { return fmt.Sprintf("%#v", s) }
