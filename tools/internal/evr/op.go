package evr

import "fmt"

// Op is the comparison of a dependency, a set of LT, GT and EQ. The zero value means that the dependency names no version.
type Op uint8

// The bits of an Op.
const (
	LT Op = 1 << iota
	GT
	EQ

	LE = LT | EQ
	GE = GT | EQ
)

// String gives the operator as dependencies are written; the empty string for no version.
func (o Op) String() string {
	switch o {
	case 0:
		return ""
	case LT:
		return "<"
	case GT:
		return ">"
	case EQ:
		return "="
	case LE:
		return "<="
	case GE:
		return ">="
	case LT | GT:
		return "<>"
	case LT | GT | EQ:
		return "<=>"
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

// ParseOp reads "<", "<=", "=", "==", ">=", ">".
func ParseOp(s string) (Op, bool) {
	switch s {
	case "<":
		return LT, true
	case "<=", "=<":
		return LE, true
	case "=", "==":
		return EQ, true
	case ">=", "=>":
		return GE, true
	case ">":
		return GT, true
	}
	return 0, false
}

// Satisfies reports whether a provide "name provOp prov" answers a requirement "name reqOp req" of the same name: whether
// the two ranges have a version in common. A requirement without version is met by every provide. A provide without
// version meets every requirement too, which is the rule of rpm and libsolv (not of dpkg).
//
// A missing release stands for all releases of the version: "= 1.0" meets "= 1.0-3" and "> 1.0" excludes 1.0-3.
func Satisfies(provOp Op, prov EVR, reqOp Op, req EVR) bool {
	if reqOp == 0 || provOp == 0 {
		return true
	}
	if provOp&reqOp&(LT|GT) != 0 { // both are open in the same direction
		return true
	}
	c := compareEpochVersion(prov, req)
	if c == 0 {
		switch {
		case prov.Release == "" && req.Release != "":
			return provOp&EQ != 0
		case prov.Release != "" && req.Release == "":
			return reqOp&EQ != 0
		}
		c = Vercmp(prov.Release, req.Release)
	}
	switch {
	case c < 0:
		return reqOp&LT != 0 || provOp&GT != 0
	case c > 0:
		return reqOp&GT != 0 || provOp&LT != 0
	}
	return provOp&reqOp&EQ != 0
}
