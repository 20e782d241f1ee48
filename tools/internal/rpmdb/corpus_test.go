package rpmdb

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// TestCorpus registers packages that other projects test with, each alone, and compares with rpm: rows and headers where rpm installs
// it, and where rpm does not, the reason of each side. See third_party/corpus.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("SLIMRPM_CORPUS")
	if dir == "" {
		t.Skip("SLIMRPM_CORPUS names no folder that third_party/corpus/fetch filled: packages of other projects' tests were not registered")
	}
	version(t, program(t, "rpm", "packages of other projects' tests were not registered"))
	var files []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".rpm" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	equal, rows, refused, source := 0, 0, []string{}, 0
	kinds := map[string]int{}
	old := struct {
		newer bool
		files []string
	}{newer: rpmMajor(t) >= 6}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, ours := rpm.ReadPackage(bytes.NewReader(data))
		if ours == nil && (p.Main.Has(rpm.TagSourcePackage) || isSourceLead(data)) {
			source++ // rpm unpacks them, no database has them
			continue
		}
		in := input{nevra: filepath.Base(file), rpm: data}
		if ours == nil {
			in = newInput(t, data)
		}
		if ours == nil && ofRPM6(t, p) && !old.newer {
			old.files = append(old.files, strings.TrimPrefix(file, dir))
			continue
		}
		place, theirs := tryRPM(t, SQLite, []input{in}, append([]string{"--ignoreos"}, anyDigests...)...)
		var written map[string][]byte
		if ours == nil {
			written, ours = tryFiles(options(SQLite, []input{in}))
		}
		if theirs != nil || ours != nil {
			refused = append(refused, fmt.Sprintf("%s\n\trpm: %s\n\tour: %v", strings.TrimPrefix(file, dir), oneLine(theirs), ours))
			if theirs == nil {
				t.Errorf("%s: rpm registers it, ours: %v", file, ours)
			}
			continue
		}
		want, err := os.ReadFile(filepath.Join(place, sqliteName))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		a, b := dumpSQLite(t, written[sqliteName]), dumpSQLite(t, want)
		for name, lines := range b {
			rows += len(lines)
			if !slices.Equal(a[name], lines) {
				t.Errorf("%s: %s:\n got %.1500q\nwant %.1500q", file, name, a[name], lines)
			}
		}
		equal++
		for _, kind := range kindsOf(t, p) {
			kinds[kind]++
		}
	}
	t.Logf("%d packages: %d are registered as rpm does it (%d rows, headers included), %d source packages, %d refused:\n%s", len(files), equal, rows, source,
		len(refused), strings.Join(refused, "\n"))
	t.Logf("kinds: %v", kinds)
	if len(old.files) > 0 {
		t.Logf("not compared: this rpm does not know the signatures of rpm 6 in %q", old.files)
	}
	if equal == 0 {
		t.Error("no package was compared")
	}
}

// ofRPM6 reports whether the signature header has what only rpm 6 takes as rpm 6 does: signatures of packages of format 6.
func ofRPM6(t *testing.T, p *rpm.Package) bool {
	format, err := p.Format()
	if err != nil {
		t.Fatal(err)
	}
	return p.Signature.Has(rpm.SigOpenPGP) || format >= 6 && p.Signature.Has(rpm.SigPGP)
}

// rpmMajor is the first number of rpm's version, 0 if there is no rpm.
func rpmMajor(t *testing.T) (major int) {
	out, _ := exec.Command("rpm", "--version").Output()
	fmt.Sscanf(string(out), "RPM version %d.", &major)
	return major
}

// tryFiles is files for what may be refused.
func tryFiles(opts Options) (map[string][]byte, error) {
	db, err := Plan(opts)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, f := range db.Files {
		if out[f.Name], err = f.Bytes(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// isSourceLead looks at the type that a lead names, which old source packages have no tag for.
func isSourceLead(data []byte) bool { return len(data) > 8 && data[6] == 0 && data[7] == 1 }

func oneLine(err error) string {
	if err == nil {
		return "installs it"
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// kindsOf says what is special about a package.
func kindsOf(t *testing.T, p *rpm.Package) []string {
	format, err := p.Format()
	if err != nil {
		t.Fatal(err)
	}
	out := []string{fmt.Sprintf("format %d", format)}
	for _, k := range []struct {
		kind string
		tag  rpm.Tag
	}{{"triggers", rpm.TagTriggerName}, {"file triggers", rpm.TagFileTriggerName}, {"transaction file triggers", rpm.TagTransFileTriggerName},
		{"long sizes", rpm.TagLongFileSizes}, {"weak dependencies", rpm.TagRecommendName}, {"capabilities", rpm.TagFileCaps}} {
		if p.Main.Has(k.tag) {
			out = append(out, k.kind)
		}
	}
	for _, tag := range []rpm.Tag{rpm.TagRequireName, rpm.TagConflictName, rpm.TagRecommendName, rpm.TagSuggestName, rpm.TagSupplementName, rpm.TagEnhanceName} {
		if names, _, err := p.Main.Strings(tag); err == nil && slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "(") }) {
			out = append(out, "rich dependencies")
			break
		}
	}
	return out
}
