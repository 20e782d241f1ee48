package rpmdb

import (
	"bytes"
	"slices"
)

// maxRichDepth bounds the nesting of a boolean dependency. A deeper one gives no names, as one that does not parse.
const maxRichDepth = 256

// Prefixes that tell names apart while they are sorted; a positive name loses its prefix afterwards, a negated one keeps it.
const (
	positive = ' '
	negated  = '!'
)

// richNames returns the names inside a boolean dependency such as "(foo >= 1 if bar else baz)": those whose presence can make
// it true first, then "!"-prefixed those whose absence can, each part sorted bytewise and without repetition. A dependency that does not
// parse has none. They are the extra keys under which rpm finds the dependency when a package comes or goes.
func richNames(dependency []byte) [][]byte {
	p := &richParser{text: dependency}
	if !p.group(0) {
		return nil // rpm looks at nothing behind the closing parenthesis either
	}
	names := sortedNames(p.names)
	for i, name := range names {
		if name[0] == positive {
			names[i] = name[1:]
		}
	}
	return names
}

func sortedNames(names [][]byte) [][]byte {
	slices.SortFunc(names, bytes.Compare)
	return slices.CompactFunc(names, bytes.Equal)
}

type richParser struct {
	text    []byte // what is left
	names   [][]byte
	negated bool
}

func isBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' || c == ',' }

func (p *richParser) skipBlanks() {
	for len(p.text) > 0 && isBlank(p.text[0]) {
		p.text = p.text[1:]
	}
}

func (p *richParser) at(c byte) bool { return len(p.text) > 0 && p.text[0] == c }

// word takes the next word. It ends at a blank, or at a ")" that closes no parenthesis of the word itself.
func (p *richParser) word() []byte {
	open, n := 0, 0
	for ; n < len(p.text) && !isBlank(p.text[n]); n++ {
		if p.text[n] == '(' {
			open++
		}
		if p.text[n] == ')' {
			if open == 0 {
				break
			}
			open--
		}
	}
	word := p.text[:n]
	p.text = p.text[n:]
	return word
}

// group parses a parenthesized expression. The text is at its "(".
func (p *richParser) group(depth int) bool {
	if depth == maxRichDepth || !p.at('(') {
		return false
	}
	p.text = p.text[1:]
	chain := richChain{mark: len(p.names)}
	var op string
	for {
		p.skipBlanks()
		if p.at('(') {
			if !p.group(depth + 1) {
				return false
			}
		} else if !p.relation() {
			return false
		}
		p.skipBlanks()
		if p.at(')') {
			break
		}
		op = string(p.word())
		if !p.operator(op, &chain) {
			return false
		}
	}
	p.text = p.text[1:]
	if op == "if" || op == "unless" {
		p.negated = !p.negated
	}
	return true
}

// richChain is what the names of one group depend on.
type richChain struct {
	op   string // that joins the operands so far
	mark int    // number of names collected before the condition, or before the group
}

// operator checks that op may follow what came before in its group, and does what op does to the names after it.
func (p *richParser) operator(op string, chain *richChain) bool {
	if op == "else" && (chain.op == "if" || chain.op == "unless") {
		chain.op = ""
	}
	if chain.op != "" && (op != chain.op || op != "and" && op != "or" && op != "with") {
		return false
	}
	switch op {
	case "and", "or", "with", "without":
	case "if", "unless":
		chain.mark = len(p.names)
		p.negated = !p.negated
	case "else":
		// The condition counts with both signs: its presence selects one branch, its absence the other. Repetitions go at
		// once, or nested alternatives would double the names each time.
		for _, name := range p.names[chain.mark:] {
			flipped := slices.Clone(name)
			flipped[0] ^= positive ^ negated
			p.names = append(p.names, flipped)
		}
		p.names = append(p.names[:chain.mark], sortedNames(p.names[chain.mark:])...)
		p.negated = !p.negated
	default:
		return false
	}
	chain.op = op
	return true
}

// relation parses "name" or "name <op> version" and collects the name.
func (p *richParser) relation() bool {
	name := p.word()
	if len(name) == 0 {
		return false
	}
	p.skipBlanks()
	if n := len(p.text) - len(bytes.TrimLeft(p.text, "<>=")); n > 0 {
		switch string(p.text[:n]) {
		case "<", "<=", "=<", "=", "==", ">=", "=>", ">":
		default:
			return false
		}
		p.text = p.text[n:]
		p.skipBlanks()
		if len(p.word()) == 0 {
			return false
		}
	}
	if !bytes.HasPrefix(name, []byte("rpmlib(")) {
		prefix := byte(positive)
		if p.negated {
			prefix = negated
		}
		p.names = append(p.names, append([]byte{prefix}, name...))
	}
	return true
}
