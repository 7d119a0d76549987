// Package refusal is how the update says no: a code for programs, a sentence
// and a hint for people. It knows the form and must never know what is refused.
package refusal

import (
	"errors"
	"fmt"
)

// A Refusal is one reason to refuse. Packages keep theirs as variables, so that
// errors.Is tells them apart.
type Refusal struct {
	Code     string // a word for programs, such as "unsigned"
	Sentence string // lower case, without a full stop
	Hint     string // what to do next
}

// New is a reason.
func New(code, sentence, hint string) *Refusal {
	return &Refusal{Code: code, Sentence: sentence, Hint: hint}
}

func (r *Refusal) Error() string { return r.Sentence }

// With is the reason with a particular of the case at hand, for which errors.Is
// and Of find the reason.
func (r *Refusal) With(format string, args ...any) error {
	return &particular{r, fmt.Errorf(format, args...)}
}

type particular struct {
	reason *Refusal
	detail error
}

func (p *particular) Error() string   { return p.reason.Sentence + ": " + p.detail.Error() }
func (p *particular) Unwrap() []error { return []error{p.reason, p.detail} }

// Of is the reason in err, or nil where err is of another kind.
func Of(err error) *Refusal {
	var r *Refusal
	errors.As(err, &r)
	return r
}
