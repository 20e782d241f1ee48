package compose

import "github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"

// Drops returns, for each file of a package, the name of the policy that leaves it out, or "".
func (p *Policies) Drops(x *pkgindex.Index) []string {
	rules := newRules(p, x)
	why := make([]string, len(x.Files))
	for i := range x.Files {
		why[i] = rules.drops(&x.Files[i])
	}
	return why
}
