package discovery

import (
	"errors"
	"reflect"
	"time"

	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
)

// What one evaluation of a template may cost. Steps bound expressions that the
// library evaluates over and over, bytes those that copy much; the time is for
// what neither has thought of. Real templates take some ten steps.
const (
	maxSteps  = 2000
	maxCopied = 512 << 10
	maxTime   = 2 * time.Second
)

// ErrTooCostly: the template ran away, or would have.
var ErrTooCostly = errors.New("the template takes too much work and was cut off")

// budget is what is left for one evaluation.
type budget struct {
	steps, bytes int
	until        time.Time
}

// budgetName is the variable that holds it, and chargeFilter the filter that
// passes a value on and takes what it cost. Neither is an identifier, so that no
// template can name them.
const (
	budgetName   = "{{ budget"
	chargeFilter = "{{ charge"
)

func newBudget() *budget {
	return &budget{steps: maxSteps, bytes: maxCopied, until: time.Now().Add(maxTime)}
}

// spend takes a step and the size of a value off the budget of an evaluation. What
// is too much ends all of it with a panic: an error would be handed through what
// is left to be evaluated.
func spend(e *exec.Evaluator, v *exec.Value, weight int) {
	held, _ := e.Environment.Context.Get(budgetName)
	b, ok := held.(*budget)
	if !ok {
		return // a constant that is evaluated while the template is read
	}
	b.steps--
	b.bytes -= weight * sizeOf(v)
	if b.steps < 0 || b.bytes < 0 || b.steps%16 == 0 && time.Now().After(b.until) {
		panic(ErrTooCostly)
	}
}

// sizeOf is about how many bytes a value has.
func sizeOf(v *exec.Value) int {
	if v == nil || v.IsNil() || v.IsError() {
		return 0
	}
	if v.IsString() {
		return len(v.String())
	}
	switch rv := reflect.ValueOf(v.Interface()); rv.Kind() {
	case reflect.Slice, reflect.Map:
		return 32 * rv.Len()
	}
	return 0
}

func charge(e *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
	spend(e, in, 2)
	return in
}

// charged is an expression whose every evaluation costs what it gives.
func charged(e nodes.Expression) nodes.Expression { return through(chargeFilter, e) }
