package discovery

import (
	"errors"
	"fmt"

	controlStructures "github.com/nikolalohinski/gonja/v2/builtins/control_structures"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// The guard walks a parsed template, refuses what a value template has no use
// for, and puts operators and printing through our own filters, which have
// Python's rules (an undefined operand is an error, not nought) and limits.

// printFilter is the name under which every {{ }} is printed. Like those of
// operators it is no identifier, so that no template can call it.
const printFilter = "{{"

// methods are those of strings and dictionaries that a template may call:
// none makes text longer than what it is given.
var methods = map[string]bool{
	"endswith": true, "get": true, "lower": true, "lstrip": true, "rstrip": true,
	"split": true, "startswith": true, "strip": true, "title": true, "upper": true,
}

// operators are those that go through a filter of the same name.
var operators = map[tokens.Type]string{
	tokens.Addition: "+", tokens.Subtraction: "-", tokens.Multiply: "*", tokens.Division: "/",
	tokens.FloorDivision: "//", tokens.Modulo: "%", tokens.Power: "**", tokens.Tilde: "~",
	tokens.LowerThan: "<", tokens.GreaterThan: ">", tokens.LowerThanOrEqual: "<=", tokens.GreaterThanOrEqual: ">=",
}

// guardNode guards a part of the template's body, in place.
func guardNode(n nodes.Node) (err error) {
	switch n := n.(type) {
	case *nodes.Data, *nodes.Comment:
		return nil
	case *nodes.Output:
		if n.Condition, err = guard(n.Condition); err != nil {
			return err
		}
		if n.Expression, err = guardPrinted(n.Expression); err != nil {
			return err
		}
		if n.Alternative != nil {
			n.Alternative, err = guardPrinted(n.Alternative)
		}
		return err
	case *nodes.ControlStructureBlock:
		return guardStatement(n.ControlStructure)
	}
	return fmt.Errorf("a %T has no place in a value template", n)
}

func guardStatement(s nodes.ControlStructure) (err error) {
	switch s := s.(type) {
	case *setStatement:
		s.expression, err = guard(s.expression)
		return err
	case *controlStructures.IfControlStructure:
		for i := range s.Conditions {
			if s.Conditions[i], err = guard(s.Conditions[i]); err != nil {
				return err
			}
		}
		for _, w := range s.Wrappers {
			for _, n := range w.Nodes {
				if err := guardNode(n); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return fmt.Errorf("a %T has no place in a value template", s)
}

func guardPrinted(e nodes.Expression) (nodes.Expression, error) {
	e, err := guard(e)
	if err != nil {
		return nil, err
	}
	return through(printFilter, e), nil
}

// through applies a filter to an expression.
func through(filter string, e nodes.Expression, args ...nodes.Expression) nodes.Expression {
	return &nodes.FilteredExpression{Expression: e, Filters: []*nodes.FilterCall{{Token: e.Position(), Name: filter, Args: args}}}
}

// guard returns the expression to be used in place of e.
func guard(e nodes.Node) (out nodes.Expression, err error) {
	switch e := e.(type) {
	case nil:
		return nil, nil
	case *nodes.String, *nodes.Integer, *nodes.Float, *nodes.Bool, *nodes.None:
		return e, nil
	case *nodes.Name:
		if e.Name.Val == "self" {
			return nil, errors.New("self has no place in a value template")
		}
		return e, nil
	case *nodes.List:
		return e, guardAll(e.Val)
	case *nodes.Tuple:
		return e, guardAll(e.Val)
	case *nodes.Dict:
		for _, p := range e.Pairs {
			if err := guardEach(&p.Key, &p.Value); err != nil {
				return nil, err
			}
		}
		return e, nil
	case *nodes.Negation:
		return e, guardEach(&e.Term)
	case *nodes.UnaryExpression:
		return e, guardEach(&e.Term)
	case *nodes.BinaryExpression:
		return guardBinary(e)
	case *nodes.GetAttribute:
		e.Node, err = guard(e.Node)
		return e, err
	case *nodes.GetItem:
		if e.Node, err = guard(e.Node); err == nil && e.Arg != nil {
			e.Arg, err = guard(e.Arg)
		}
		return e, err
	case *nodes.GetSlice:
		for _, p := range []*nodes.Node{&e.Node, &e.Start, &e.End, &e.Step} {
			if *p != nil {
				if *p, err = guard(*p); err != nil {
					return nil, err
				}
			}
		}
		return charged(e), nil
	case *nodes.FilteredExpression:
		return guardFiltered(e)
	case *nodes.TestExpression:
		if e.Test == nil || !allowedTests[e.Test.Name] {
			return nil, errors.New("it has a test that is not known here")
		}
		return e, errors.Join(guardEach(&e.Expression), guardAll(e.Test.Args), guardMap(e.Test.Kwargs))
	case *nodes.Call:
		return guardCall(e)
	}
	return nil, fmt.Errorf("a %T has no place in a value template", e)
}

func guardBinary(e *nodes.BinaryExpression) (nodes.Expression, error) {
	if e.Left == nil || e.Right == nil || e.Operator == nil {
		return nil, errors.New("an operator lacks an operand")
	}
	if err := guardEach(&e.Left, &e.Right); err != nil {
		return nil, err
	}
	if name, ok := operators[e.Operator.Token.Type]; ok {
		return through(name, e.Left, e.Right), nil
	}
	e.Left, e.Right = charged(e.Left), charged(e.Right)
	return e, nil // and, or, ==, !=, in
}

func guardFiltered(e *nodes.FilteredExpression) (nodes.Expression, error) {
	for _, f := range e.Filters {
		if _, ok := filters[f.Name]; !ok {
			return nil, fmt.Errorf("the filter %q is not known here", f.Name)
		}
		if err := errors.Join(guardAll(f.Args), guardMap(f.Kwargs)); err != nil {
			return nil, err
		}
	}
	return e, guardEach(&e.Expression)
}

// guardCall lets through calls of our functions and of harmless methods.
func guardCall(e *nodes.Call) (nodes.Expression, error) {
	if err := errors.Join(guardAll(e.Args), guardMap(e.Kwargs)); err != nil {
		return nil, err
	}
	switch f := e.Func.(type) {
	case *nodes.Name:
		if _, ok := functions[f.Name.Val]; !ok {
			return nil, fmt.Errorf("the function %q is %w", f.Name.Val, ErrUnknown)
		}
		return e, nil
	case *nodes.GetAttribute:
		target, err := guard(f.Node)
		if err != nil {
			return nil, err
		}
		target = charged(target) // the library evaluates it twice, and so on inwards
		f.Node = target
		if f.Attribute == "replace" && len(e.Kwargs) == 0 {
			return through("replace", target, e.Args...), nil
		}
		if !methods[f.Attribute] {
			return nil, fmt.Errorf("the method %q is %w", f.Attribute, ErrUnknown)
		}
		e.Parent = target
		return charged(e), nil
	}
	return nil, errors.New("it calls something that is not a function")
}

func guardAll(list []nodes.Expression) (err error) {
	for i := range list {
		if list[i], err = guard(list[i]); err != nil {
			return err
		}
	}
	return nil
}

func guardMap(m map[string]nodes.Expression) (err error) {
	for k := range m {
		if m[k], err = guard(m[k]); err != nil {
			return err
		}
	}
	return nil
}

func guardEach(list ...*nodes.Expression) (err error) {
	for _, e := range list {
		if *e, err = guard(*e); err != nil {
			return err
		}
	}
	return nil
}
