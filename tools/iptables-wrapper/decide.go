package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

// mode is a kind of packet filter, by the word in the names of its programs.
type mode string

const (
	nft    mode = "nft"
	legacy mode = "legacy"
)

// hints are the chains that kubelet makes in the table mangle so that others see which kind it uses.
var hints = []string{"KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY"}

// families are the first words of the programs, with the file that lists the ip_tables tables of the network namespace.
var families = []struct{ name, tables string }{
	{"iptables", "/proc/net/ip_tables_names"},
	{"ip6tables", "/proc/net/ip6_tables_names"},
}

// decide says which kind the machine uses, and whether that was seen: when no program of nf_tables could be asked, it is only a guess.
func (w *wrapper) decide() (mode, bool, error) {
	asked, missing := map[mode]bool{}, map[mode]int{}
	for _, m := range []mode{nft, legacy} {
		for _, family := range families {
			program := w.find(family.name + "-" + string(m) + "-save")
			if program == "" {
				missing[m]++
				continue
			}
			if m == legacy && !w.hasTable(family.tables) {
				asked[m] = true
				continue
			}
			out, err := w.run(program, "-t", "mangle")
			if err != nil {
				continue // the kernel lacks it, or the privileges are missing
			}
			asked[m] = true
			if hasHint(string(out)) {
				return m, true, nil
			}
		}
	}
	switch {
	case missing[nft] < len(families):
		return nft, asked[nft], nil
	case missing[legacy] < len(families):
		return legacy, true, nil // there is no choice
	}
	return "", false, cli.Hint(errors.New("there are no programs of nf_tables, and none of ip_tables"),
		"%s must have iptables-nft-save or iptables-legacy-save, and the others of that kind", w.dirs()[0])
}

// hasTable reports whether the network namespace has the table mangle of ip_tables. Asking the program would make it, and from then on
// programs of nf_tables warn of a machine that uses both. A list that cannot be read says nothing.
func (w *wrapper) hasTable(list string) bool {
	data, err := w.fs.read(list)
	if err != nil {
		return true
	}
	return contains(strings.Fields(string(data)), "mangle")
}

// hasHint looks for the declaration of a chain, ":NAME POLICY [COUNTERS]".
func hasHint(saved string) bool {
	for line := range strings.Lines(saved) {
		name, ok := strings.CutPrefix(line, ":")
		if !ok {
			continue
		}
		if words := strings.Fields(name); len(words) > 0 && contains(hints, words[0]) {
			return true
		}
	}
	return false
}

func (m mode) String() string {
	if m == nft {
		return "nf_tables"
	}
	return fmt.Sprintf("ip_tables (%s)", string(m))
}
