package resolve

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
)

// Expr is a dependency: a leaf (Op is "") or a rich dependency. See rpm's manual, "Boolean dependencies".
type Expr struct {
	Op   string // "", and, or, if, unless, with, without
	Args []*Expr
	// Else is the third operand of "if" and "unless", nil when there is none.
	Else *Expr

	Name string
	Cmp  evr.Op
	EVR  evr.EVR
}

// Bounds of one rich dependency.
const (
	maxRichBytes = 64 << 10
	maxRichDepth = 32
)

// ParseDependency reads "name", "name >= 1.2", "/path" or a rich dependency such as "(a if (b or c))".
func ParseDependency(s string) (*Expr, error) {
	if len(s) > maxRichBytes {
		return nil, fmt.Errorf("reading dependency %.60q…: longer than %d bytes", s, maxRichBytes)
	}
	p := richParser{rest: s}
	var e *Expr
	var err error
	if strings.HasPrefix(strings.TrimSpace(s), "(") {
		p.space()
		e, err = p.group(0)
	} else {
		e, err = p.leaf(true)
	}
	p.space()
	if err == nil && p.rest != "" {
		err = fmt.Errorf("unexpected %.40q at the end", p.rest)
	}
	if err != nil {
		return nil, fmt.Errorf("reading dependency %q: %w", s, err)
	}
	return e, nil
}

type richParser struct{ rest string }

func (p *richParser) space() { p.rest = strings.TrimLeft(p.rest, " \t") }

// operand reads a group or a leaf inside a group.
func (p *richParser) operand(depth int) (*Expr, error) {
	p.space()
	if strings.HasPrefix(p.rest, "(") {
		return p.group(depth + 1)
	}
	return p.leaf(false)
}

// group reads "( operand [op operand]... )". Chains are allowed for one operator of and, or, with only.
func (p *richParser) group(depth int) (*Expr, error) {
	if depth > maxRichDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxRichDepth)
	}
	p.rest = p.rest[1:] // "("
	first, err := p.operand(depth)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.close() {
		return first, nil
	}
	op := p.word()
	switch op {
	case "and", "or", "with", "if", "unless", "without":
	default:
		return nil, fmt.Errorf("unknown operator %.40q", op)
	}
	e := &Expr{Op: op, Args: []*Expr{first}}
	for {
		arg, err := p.operand(depth)
		if err != nil {
			return nil, err
		}
		e.Args = append(e.Args, arg)
		p.space()
		if p.close() {
			return e, e.check()
		}
		next := p.word()
		if next == "else" && (op == "if" || op == "unless") {
			if e.Else, err = p.operand(depth); err != nil {
				return nil, err
			}
			p.space()
			if !p.close() {
				return nil, errors.New("a closing parenthesis is missing")
			}
			return e, e.check()
		}
		if next != op || op == "if" || op == "unless" || op == "without" {
			return nil, fmt.Errorf("%q after %q needs parentheses", next, op)
		}
	}
}

// check refuses what rpm refuses: with and without take plain dependencies only.
func (e *Expr) check() error {
	if e.Op != "with" && e.Op != "without" {
		return nil
	}
	for _, arg := range e.Args {
		if arg.Op != "" && arg.Op != "with" && arg.Op != "without" && arg.Op != "or" {
			return fmt.Errorf("%q cannot combine %q", e.Op, arg.Op)
		}
	}
	return nil
}

func (p *richParser) close() bool {
	if strings.HasPrefix(p.rest, ")") {
		p.rest = p.rest[1:]
		return true
	}
	return false
}

// word reads up to a blank or a parenthesis that is not part of the word: parentheses inside a name are balanced.
func (p *richParser) word() string {
	depth := 0
	i := 0
	for ; i < len(p.rest); i++ {
		c := p.rest[i]
		if c == ' ' || c == '\t' {
			break
		}
		if c == '(' {
			depth++
		}
		if c == ')' {
			if depth == 0 {
				break
			}
			depth--
		}
	}
	word := p.rest[:i]
	p.rest = p.rest[i:]
	return word
}

// leaf reads "name [op evr]". Outside of groups a name ends at a blank only.
func (p *richParser) leaf(top bool) (*Expr, error) {
	p.space()
	e := &Expr{}
	if e.Name = p.next(top); e.Name == "" {
		return nil, errors.New("a name is missing")
	}
	p.space()
	save := p.rest
	op, ok := evr.ParseOp(p.next(top))
	if !ok {
		p.rest = save
		return e, nil
	}
	p.space()
	version, err := evr.Parse(p.next(top))
	if err != nil {
		return nil, err
	}
	e.Cmp, e.EVR = op, version
	return e, nil
}

func (p *richParser) next(top bool) string {
	if !top {
		return p.word()
	}
	i := strings.IndexAny(p.rest, " \t")
	if i < 0 {
		i = len(p.rest)
	}
	word := p.rest[:i]
	p.rest = p.rest[i:]
	return word
}

// String writes e so that ParseDependency reads it back.
func (e *Expr) String() string {
	if e.Op == "" {
		if e.Cmp == 0 {
			return e.Name
		}
		return e.Name + " " + e.Cmp.String() + " " + e.EVR.String()
	}
	var b strings.Builder
	b.WriteString("(" + e.Args[0].String())
	for _, arg := range e.Args[1:] {
		b.WriteString(" " + e.Op + " " + arg.String())
	}
	if e.Else != nil {
		b.WriteString(" else " + e.Else.String())
	}
	return b.String() + ")"
}
