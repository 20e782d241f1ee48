package main

import (
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// rpmQueries asks the database of the image what its indexes answer, and lets rpm make it anew. It changes the unpacked image,
// so it comes last.
func (t *tester) rpmQueries() error {
	tree, err := t.readTree()
	if err != nil {
		return err
	}
	if len(tree.Packages) == 0 {
		return nil
	}
	before, err := t.rpm("-qa", "--qf", `%{NEVRA}\n`)
	if err != nil {
		return err
	}
	if err := t.rpmOwners(tree); err != nil {
		return err
	}
	if len(tree.RPMDB.Backend) == 0 || tree.RPMDB.Backend == "bdb" {
		fmt.Println("     not checked: rpm -e --test and --rebuilddb, no rpm since 4.17 writes Berkeley DB")
		return nil
	}
	last := tree.Packages[len(tree.Packages)-1]
	if _, err := t.rpm("-e", "--test", "--nodeps", "--noscripts", "--notriggers", last.Name); err != nil {
		return err
	}
	if _, err := t.rpm("--rebuilddb"); err != nil {
		return err
	}
	after, err := t.rpm("-qa", "--qf", `%{NEVRA}\n`)
	if err != nil {
		return err
	}
	if got, want := sortedFields(after), sortedFields(before); !slices.Equal(got, want) {
		return fmt.Errorf("after --rebuilddb rpm lists\n%s\nbefore it listed\n%s", strings.Join(got, " "), strings.Join(want, " "))
	}
	return t.dnfList(before)
}

func sortedFields(text string) []string { return slices.Sorted(strings.FieldsSeq(text)) }

// rpmOwners asks for each package by its name as a provide, and for one of its files.
func (t *tester) rpmOwners(tree *rootfs.Tree) error {
	for _, p := range tree.Packages {
		if p.Name == "gpg-pubkey" {
			continue
		}
		out, err := t.rpm("-q", "--whatprovides", p.Name, "--qf", `%{NEVRA}\n`)
		if err != nil || !slices.Contains(strings.Fields(out), p.NEVRA) {
			return fmt.Errorf("rpm -q --whatprovides %s: %s (%v), want %s", p.Name, out, err, p.NEVRA)
		}
		other, err := t.notNormal(p.NEVRA)
		if err != nil {
			return err
		}
		// What a later layer replaced is not the package's any more.
		i := slices.IndexFunc(tree.Entries, func(e *rootfs.Entry) bool {
			return e.Type == pkgindex.TypeFile && e.Layer == p.Layer && slices.Contains(e.Owners, p.NEVRA) && !other[path.Base(e.Path)]
		})
		if i < 0 {
			continue
		}
		out, err = t.rpm("-qf", tree.Entries[i].Path, "--qf", `%{NEVRA}\n`)
		if err != nil || !slices.Contains(strings.Fields(out), p.NEVRA) {
			return fmt.Errorf("rpm -qf %s: %s (%v), want %s", tree.Entries[i].Path, out, err, p.NEVRA)
		}
	}
	return nil
}

// notNormal lists the names, without directories, of files of a package that rpm does not find by path: they were left out, or
// differ from the package, as those that lost their set-user-ID bit do.
func (t *tester) notNormal(nevra string) (map[string]bool, error) {
	const normal = "0"
	out, err := t.rpm("-q", nevra, "--qf", `[%{FILESTATES} %{FILENAMES}\n]`)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for line := range strings.Lines(out) {
		if state, file, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " "); ok && state != normal {
			names[path.Base(file)] = true
		}
	}
	return names, nil
}

// dnfList compares what dnf sees installed with what rpm lists.
func (t *tester) dnfList(listed string) error {
	if _, err := exec.LookPath("dnf"); err != nil {
		fmt.Println("     not checked: dnf is not on PATH")
		return nil
	}
	out, err := output("dnf", "--installroot", t.rootfs(), "--releasever", "0", "--disablerepo=*", "--quiet", "repoquery", "--installed",
		"--qf", "%{name}-%{epoch}:%{version}-%{release}.%{arch}\n")
	if err != nil {
		return err
	}
	plain := func(text string) []string {
		all := strings.Fields(strings.ReplaceAll(text, "-0:", "-"))
		return slices.Sorted(slices.Values(slices.DeleteFunc(all, func(n string) bool { return strings.HasPrefix(n, "gpg-pubkey-") })))
	}
	if got, want := plain(out), plain(listed); !slices.Equal(got, want) {
		return fmt.Errorf("dnf lists\n%s\nrpm lists\n%s", strings.Join(got, " "), strings.Join(want, " "))
	}
	return nil
}
