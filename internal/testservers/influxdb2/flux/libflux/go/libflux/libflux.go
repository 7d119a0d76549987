// Package libflux takes the place of the one that calls flux's parser, which is
// in Rust: a server that is only written to, and asked in InfluxQL, parses no
// Flux. Everything here that would says that it cannot.
package libflux

import (
	"context"
	"errors"

	"github.com/influxdata/flux/semantic"
)

var errNone = errors.New("this build has no Flux: ask in InfluxQL")

// Options are those of a parser.
type Options struct {
	Features []string `json:"features,omitempty"`
}

// NewOptions is none.
func NewOptions(context.Context) Options { return Options{} }

// ASTPkg would be what was parsed.
type ASTPkg struct{}

// ASTHandle marks what flux takes for a syntax tree.
func (ASTPkg) ASTHandle() {}

// Format, GetError, MarshalJSON and Free are those of a syntax tree.
func (ASTPkg) Format() (string, error)       { return "", errNone }
func (ASTPkg) GetError(Options) error        { return errNone }
func (*ASTPkg) MarshalJSON() ([]byte, error) { return nil, errNone }
func (*ASTPkg) Free()                        {}
func ParseString(string) *ASTPkg             { return &ASTPkg{} }
func Parse(string, string) *ASTPkg           { return &ASTPkg{} }
func ParseJSON([]byte) (*ASTPkg, error)      { return nil, errNone }
func MergePackages(*ASTPkg, *ASTPkg) error   { return errNone }
func Analyze(*ASTPkg) (*SemanticPkg, error)  { return nil, errNone }
func EnvStdlib() []byte                      { return nil }

// SemanticPkg would be what was understood.
type SemanticPkg struct{}

func (*SemanticPkg) MarshalFB() ([]byte, error) { return nil, errNone }
func (*SemanticPkg) Free()                      {}

func SemanticPackages() (map[string]*semantic.Package, error)   { return nil, errNone }
func AnalyzeString(string) (*SemanticPkg, error)                { return nil, errNone }
func AnalyzeWithOptions(*ASTPkg, Options) (*SemanticPkg, error) { return nil, errNone }
func FindVarType(*ASTPkg, string) (semantic.MonoType, error)    { return semantic.MonoType{}, errNone }
