package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// The lists themselves are compared with the images by the tests of the images.
func TestPagesShowTheSizesOfTheLists(t *testing.T) {
	is, want, err := pages(filepath.Join("..", "..", "variants"))
	if err != nil {
		t.Fatal(err)
	}
	if len(want) < 10 {
		t.Errorf("only %d pages", len(want))
	}
	for name := range want {
		if is[name] != want[name] {
			t.Errorf("variants/%s does not show the sizes that the lists have; ./bazelw run //variants:update_goldens writes them", name)
		}
	}
}

func TestLinesAndTablesReplaceThoseThatAreThere(t *testing.T) {
	r := &sizes{variant: "glibc", release: "debrpm", packages: map[string]int{"amd64": 13, "arm64": 14}, mib: map[string]int64{"amd64": 20, "arm64": 26},
		peer: &peer{Packages: 16, MiB: map[string]float64{"amd64": 20.5, "arm64": 26.3}}}
	const line = "Size on debrpm: 20 MiB (amd64), 26 MiB (arm64), 13, arm64 14 packages; EKS Distro's on AL2023: 20.5 MiB, 26.3 MiB, 16 packages.\n"
	once := r.withLine("# glibc\n\nText.\n")
	if once != "# glibc\n\nText.\n\n"+line {
		t.Errorf("a page without a line becomes %q", once)
	}
	if got := r.withLine(strings.Replace(once, "20 MiB (amd64)", "7 MiB (amd64)", 1) + "\nMore.\n"); got != once+"\nMore.\n" {
		t.Errorf("a page with a line becomes %q", got)
	}
	page, err := withTable("before\n"+tableStart+"what was\n"+tableEnd+"after\n", []*sizes{r, {variant: "new", release: "debrpm"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"before\n", "| glibc | debrpm | 13, arm64 14 | 20 | 26 | 16 | 20.5 | 26.3 |\n", "| new | debrpm | 0 | 0 | 0 | - | - | - |\n", tableEnd + "after\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page misses %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "what was") {
		t.Errorf("the old table is still there:\n%s", page)
	}
	if _, err := withTable("no markers\n", nil); err == nil {
		t.Error("a page without markers was accepted")
	}
}
