package imagechanges

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/inventory"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/advisories"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/differ"
)

func image(name string, packages ...inventory.Package) inventory.Image {
	return inventory.Image{Name: name, Arch: "x86_64", SizeBytes: 1000, Packages: packages}
}

func pkg(name, version string, partial bool) inventory.Package {
	return inventory.Package{Name: name, Version: version, Arch: "x86_64", SizeBytes: 100, Partial: partial}
}

func change(name, kind, from, to string, growth int64) differ.Change {
	return differ.Change{Name: name, Kind: kind, Architectures: []string{"x86_64"}, From: from, To: to,
		Installed: map[string]differ.Sizes{"x86_64": {From: 500, To: 500 + growth}}}
}

func TestForesee(t *testing.T) {
	before := &inventory.Inventory{Schema: 1, Release: "r", Images: []inventory.Image{
		image("part", pkg("lib", "1-1", true)),
		image("whole", pkg("gone", "1-1", false), pkg("lib", "1-1", false)),
	}}
	after := Foresee(before, []differ.Change{change("lib", differ.Updated, "1-1", "2-1", 50), change("gone", differ.Removed, "1-1", "", -100), change("new", differ.Added, "", "1-1", 9)})
	if got := fmt.Sprint(after.Images); got != "[{part x86_64 1000 [{lib 2-1 x86_64 100 true}] []} {whole x86_64 950 [{lib 2-1 x86_64 150 false}] []}]" {
		t.Errorf("foreseen is %s", got)
	}
	if before.Images[0].Packages[0].Version != "1-1" {
		t.Error("Foresee changed its argument")
	}
}

func TestCompare(t *testing.T) {
	lib := change("lib", differ.Updated, "1-1", "2-1", 0)
	lib.Advisories = []advisories.Advisory{{ID: "A-1", Type: "security", Severity: "Low", CVEs: []string{"CVE-2", "CVE-1"}}}
	meta := change("system-release", differ.Updated, "1-1", "2-1", 0)
	meta.Churn = true
	changes := []differ.Change{lib, meta, change("same", differ.Rebuilt, "1-1", "1-1", 0), change("other", differ.Added, "", "1-1", 0)}
	before := &inventory.Inventory{Release: "r", Images: []inventory.Image{
		image("a", pkg("lib", "1-1", false)), image("b", pkg("system-release", "1-1", false)), image("c", pkg("same", "1-1", false)), image("d"),
		image("e", pkg("lib", "1-1", false)), image("old", pkg("lib", "1-1", false)),
	}}
	after := Foresee(before, changes)
	after.Images = after.Images[:5]
	r := Compare(before, after, changes)
	var got []string
	for _, im := range r.Images {
		got = append(got, fmt.Sprintf("%s:%v:%d:%s:%v", im.Name, im.Due, len(im.Difference.Changes), im.Severity, im.CVEs))
	}
	want := "a:true:1:low:[CVE-1 CVE-2] b:false:1::[] c:true:1::[] d:false:0::[] e:true:1:low:[CVE-1 CVE-2] old:true:1::[]"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
	if len(r.Unshipped) != 1 || r.Unshipped[0].Name != "other" {
		t.Errorf("unshipped are %v", r.Unshipped)
	}
	var groups []string
	for _, group := range r.alike() {
		var names []string
		for _, im := range group {
			names = append(names, im.Name)
		}
		groups = append(groups, strings.Join(names, "+"))
	}
	if strings.Join(groups, " ") != "a+e b c old" {
		t.Errorf("groups are %v", groups)
	}
}

func TestContent(t *testing.T) {
	before := &inventory.Inventory{Release: "r", Images: []inventory.Image{image("c", pkg("a", "1-1", false)), image("d")}}
	before.Images[0].Content = []inventory.Content{{Name: "go", Version: "1.26.4", SizeBytes: 100}, {Name: "wrapper", Version: "1", BuiltWith: []string{"go1.26.9"}}}
	after := Foresee(before, nil)
	after.Images[0].Content = []inventory.Content{{Name: "go", Version: "1.26.11", SizeBytes: 130}, {Name: "wrapper", Version: "1", BuiltWith: []string{"go1.26.11"}}}
	var out strings.Builder
	r := Compare(before, after, nil)
	if err := r.Write(&out, Options{Format: "markdown", Sizes: true}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| go (no RPM) | 1.26.4 | 1.26.11 | x86_64 | +30 B | - |", "| wrapper (no RPM) | 1, go1.26.9 | 1, go1.26.11 | x86_64 | +0 B | - |", "Unchanged: d"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got\n%s\nwant\n%s", out.String(), want)
		}
	}
	if !r.Due() || !r.Images[0].Due || r.Images[1].Due {
		t.Error("an image with newer content is due, and no other")
	}
}

func TestWriteRebuilt(t *testing.T) {
	before := &inventory.Inventory{Release: "r", Images: []inventory.Image{image("c", pkg("same", "1-1", false))}}
	changes := []differ.Change{change("same", differ.Rebuilt, "1-1", "1-1", 0)}
	var out strings.Builder
	if err := Compare(before, Foresee(before, changes), changes).Write(&out, Options{Format: "markdown"}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "| same | 1-1 | 1-1 (rebuilt) | x86_64 | - |") {
		t.Errorf("got\n%s", out.String())
	}
}
