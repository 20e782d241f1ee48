package resolve

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	variantComment = regexp.MustCompile(`(?m)^\s*#.*$|\s+# .*$`)
	variantRoots   = regexp.MustCompile(`(?s)"(?:packages|requires)": \[(.*?)\]`)
	variantName    = regexp.MustCompile(`"([^"]+)"`)
)

// variantRootSets reads what the variants ask of release debrpm: one sorted set for each that names packages.
func variantRootSets(t *testing.T) (variants []string, sets [][]string) {
	t.Helper()
	files, err := filepath.Glob("../../../variants/*/BUILD.bazel")
	if err != nil || len(files) == 0 {
		t.Skip("not checked: no variants/*/BUILD.bazel beside the sources; run it with go test")
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, ok := strings.Cut(variantComment.ReplaceAllString(string(data), ""), `"debrpm": {`)
		if !ok {
			continue
		}
		depth, end := 1, 0
		for ; end < len(rest) && depth > 0; end++ {
			depth += strings.Count("{", rest[end:end+1]) - strings.Count("}", rest[end:end+1])
		}
		var roots []string
		for _, list := range variantRoots.FindAllStringSubmatch(rest[:end], -1) {
			for _, name := range variantName.FindAllStringSubmatch(list[1], -1) {
				roots = append(roots, name[1])
			}
		}
		if len(roots) > 0 {
			slices.Sort(roots)
			variants, sets = append(variants, filepath.Base(filepath.Dir(file))), append(sets, slices.Compact(roots))
		}
	}
	return variants, sets
}

// TestVariantsLikeOthers resolves the packages of every variant as dnf and libsolv do.
func TestVariantsLikeOthers(t *testing.T) {
	if os.Getenv("SLIMRPM_DEBRPM") == "" {
		t.Skip("not checked: SLIMRPM_DEBRPM, the folder of release debrpm, is not set")
	}
	dir := filepath.Join(os.Getenv("SLIMRPM_DEBRPM"), "repo", "x86_64")
	variants, sets := variantRootSets(t)
	if len(sets) < 10 {
		t.Fatalf("only %d variants name packages: %v", len(sets), variants)
	}
	u, files := realUniverse(t, dir)
	ours := make([][]string, len(sets))
	for i, roots := range sets {
		sol, err := u.Resolve(Options{Roots: roots, Files: files})
		if err != nil {
			t.Errorf("%s: %v", variants[i], err)
			continue
		}
		for _, p := range sol.Packages {
			ours[i] = append(ours[i], u.NEVRA(p))
		}
		slices.Sort(ours[i])
	}
	compare := func(t *testing.T, theirs [][]string) {
		same := 0
		for i := range sets {
			if slices.Equal(ours[i], theirs[i]) {
				same++
				continue
			}
			t.Errorf("%s: only we install %v, only the other %v", variants[i], minus(ours[i], theirs[i]), minus(theirs[i], ours[i]))
		}
		t.Logf("%d of %d variants have the same packages", same, len(sets))
	}
	t.Run("dnf", func(t *testing.T) { compare(t, askDNF(t, dir, sets)) })
	t.Run("libsolv", func(t *testing.T) {
		var metadata []string
		for _, kind := range []string{"primary", "filelists"} {
			found, err := filepath.Glob(filepath.Join(dir, "repodata", "*-"+kind+".xml.*"))
			if err != nil || len(found) != 1 {
				t.Fatalf("%s: %v %v", kind, found, err)
			}
			metadata = append(metadata, found...)
		}
		compare(t, askLibsolv(t, metadata, sets))
	})
}
