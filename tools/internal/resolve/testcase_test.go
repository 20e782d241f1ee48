package resolve

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/metatest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// testcase is one question of a test case in libsolv's format; a file holds several, divided by "nextjob".
type testcase struct {
	arch      string
	repos     []caseRepo
	roots     []string
	forced    []string // jobs that name packages of a repository, one of which will do
	best      bool
	weak      bool
	installed []string // NEVRA of what is to be installed, sorted
	problem   bool
	unfit     string // why a resolver that installs into an empty root cannot answer it
}

type caseRepo struct {
	name     string
	priority int
	packages []metatest.Package
}

// readTestcases reads a .t file: https://github.com/openSUSE/libsolv describes none of it; this follows the files.
func readTestcases(file string) ([]testcase, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := caseReader{dir: filepath.Dir(file), now: testcase{weak: true}}
	for line := range strings.SplitSeq(string(data), "\n") {
		if err := r.line(strings.TrimRight(line, " \t\r")); err != nil {
			return nil, err
		}
	}
	r.finish()
	return r.done, nil
}

type caseReader struct {
	dir    string
	now    testcase
	done   []testcase
	inline string // what the lines after "<inline>" belong to
	result bool
}

func (r *caseReader) finish() {
	if !r.result && r.now.unfit == "" {
		r.now.unfit = "no result transaction,problems is given"
	}
	slices.Sort(r.now.installed)
	r.done = append(r.done, r.now)
	r.now = testcase{arch: r.now.arch, repos: r.now.repos, weak: true}
	if last := r.done[len(r.done)-1]; strings.HasPrefix(last.unfit, "for all: ") {
		r.now.unfit = last.unfit
	}
	r.result = false
}

func (r *caseReader) unfit(format string, args ...any) {
	if r.now.unfit == "" {
		r.now.unfit = fmt.Sprintf(format, args...)
	}
}

func (r *caseReader) line(line string) error {
	if text, ok := strings.CutPrefix(line, "#>"); ok {
		switch r.inline {
		case "repo":
			r.tag(text)
		case "result":
			r.resultLine(strings.Fields(text))
		}
		return nil
	}
	words := strings.Fields(line)
	if len(words) == 0 || strings.HasPrefix(line, "#") {
		return nil
	}
	r.inline = ""
	switch words[0] {
	case "repo":
		return r.repo(words[1:])
	case "system":
		r.system(words[1:])
	case "poolflags":
		if len(words) > 1 {
			r.unfit("for all: poolflags %s", strings.Join(words[1:], " "))
		}
	case "solverflags":
		for _, flag := range words[1:] {
			if flag == "ignorerecommended" {
				r.now.weak = false
			} else if flag != "allowuninstall" { // nothing is installed that could be taken away
				r.unfit("solverflags %s", flag)
			}
		}
	case "job":
		r.job(words[1:])
	case "nextjob":
		r.finish()
	case "result":
		r.inline = "result"
		for part := range strings.SplitSeq(words[1], ",") {
			switch part {
			case "transaction":
				r.result = true
			case "rules", "genid", "jobs", "proof", "cleandeps":
				r.unfit("result %s is about libsolv's inside", part)
			}
		}
	case "feature":
	default:
		r.unfit("%s", words[0])
	}
	return nil
}

func (r *caseReader) repo(words []string) error {
	repo := caseRepo{name: words[0]}
	if _, err := fmt.Sscanf(words[1], "%d", &repo.priority); err != nil {
		return err
	}
	r.now.repos = append(r.now.repos, repo)
	if words[2] == "empty" {
		return nil
	}
	if words[3] == "<inline>" {
		r.inline = "repo"
		return nil
	}
	data, err := os.ReadFile(filepath.Join(r.dir, words[3]))
	if err != nil {
		return err
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		r.tag(line)
	}
	return nil
}

func (r *caseReader) system(words []string) {
	if r.now.arch = words[0]; r.now.arch == "unset" {
		r.now.arch = "noarch"
	}
	if words[1] == "deb" {
		r.unfit("for all: a system of Debian")
	}
	for _, repo := range r.now.repos {
		if len(words) > 2 && repo.name == words[2] && len(repo.packages) > 0 {
			r.unfit("for all: packages are installed before")
		}
		for _, p := range repo.packages {
			if p.Arch != r.now.arch && p.Arch != "noarch" {
				r.unfit("for all: packages of architecture %s on %s", p.Arch, r.now.arch)
			}
		}
	}
}

// tag reads a line of a repository in testtags form.
func (r *caseReader) tag(line string) {
	repo := &r.now.repos[len(r.now.repos)-1]
	tag, value, _ := strings.Cut(line, " ")
	if tag == "=Pkg:" {
		f := strings.Fields(value)
		if len(f) == 3 { // without a release or an architecture
			f = append(f, "noarch")
		}
		p := metatest.Package{Name: f[0], EVR: f[1], Arch: f[3]}
		if f[2] != "-" {
			p.EVR += "-" + f[2]
		}
		repo.packages = append(repo.packages, p)
		return
	}
	if len(repo.packages) == 0 {
		return
	}
	p := &repo.packages[len(repo.packages)-1]
	lists := map[string]*[]string{
		"=Prv:": &p.Provides, "=Req:": &p.Requires, "=Con:": &p.Conflicts, "=Obs:": &p.Obsoletes, "=Rec:": &p.Recommends,
		"=Sug:": &p.Suggests, "=Sup:": &p.Supplements, "=Enh:": &p.Enhances, "=Fls:": &p.Files,
	}
	if list := lists[tag]; list != nil {
		*list = append(*list, r.dependency(value))
	}
}

var libsolvOperators = strings.NewReplacer(" & ", " and ", " | ", " or ", "<IF>", "if", "<UNLESS>", "unless", "<ELSE>", "else", " + ", " with ", " - ", " without ")

// dependency turns "A <IF> (B <ELSE> C)" into "(A if B else C)".
func (r *caseReader) dependency(text string) string {
	if strings.Contains(text, "namespace:") || strings.Contains(text, "otherproviders(") {
		r.unfit("for all: a dependency in a namespace")
	}
	plain := libsolvOperators.Replace(text)
	if plain == text {
		return text
	}
	if before, after, ok := strings.Cut(plain, "("); ok && strings.Contains(after, " else ") {
		plain = before + strings.TrimSuffix(after, ")")
	}
	return "(" + plain + ")"
}

func (r *caseReader) job(words []string) {
	text := strings.Join(words, " ")
	if i := strings.Index(text, " ["); i >= 0 {
		for flag := range strings.SplitSeq(strings.Trim(text[i:], " []"), ",") {
			if flag == "forcebest" {
				r.now.best = true
			} else {
				r.unfit("job flag %s", flag)
			}
		}
		words = strings.Fields(text[:i])
	}
	switch {
	case words[0] == "install" && (words[1] == "name" || words[1] == "provides"):
		r.now.roots = append(r.now.roots, strings.Join(words[2:], " "))
	case words[0] == "install" && (words[1] == "pkg" || words[1] == "oneof"):
		r.now.forced = append(r.now.forced, strings.Join(words[2:], " "))
	default:
		r.unfit("job %s %s", words[0], words[1])
	}
}

func (r *caseReader) resultLine(words []string) {
	switch words[0] {
	case "install":
		nevra, _, _ := strings.Cut(words[1], "@")
		r.now.installed = append(r.now.installed, nevra)
	case "problem":
		r.now.problem = true
	}
}

// universe makes the repositories of a case.
func (c *testcase) universe(t *testing.T) *Universe {
	t.Helper()
	var repos []Repository
	for _, repo := range c.repos {
		var text bytes.Buffer
		if err := metatest.Primary(&text, repo.packages); err != nil {
			t.Fatal(err)
		}
		primary, err := repomd.ParsePrimary(&text)
		if err != nil {
			t.Fatal(err)
		}
		repos = append(repos, Repository{ID: repo.name, Priority: 99 - repo.priority, Primary: primary}) // in libsolv, more is better
	}
	return NewUniverse(c.arch, repos, nil)
}

// run answers a case and returns what is wrong with the answer.
func (c *testcase) run(t *testing.T) string {
	t.Helper()
	u := c.universe(t)
	roots, err := parseRoots(c.roots)
	if err != nil {
		return err.Error()
	}
	for _, forced := range c.forced {
		root := Root{Text: forced}
		for one := range strings.FieldsSeq(forced) {
			nevra, repo, _ := strings.Cut(one, "@")
			for i := range u.Packages {
				if u.NEVRA(i) == nevra && u.Repositories[u.Packages[i].Repository].ID == repo {
					root.forced = append(root.forced, i)
				}
			}
		}
		slices.Sort(root.forced)
		roots = append(roots, root)
	}
	sol, err := u.resolve(roots, Options{Weak: c.weak, Best: c.best})
	if err != nil {
		if c.problem {
			return ""
		}
		return err.Error()
	}
	if c.problem {
		return "there is a solution, but a problem is expected: " + nevras(sol)
	}
	var got []string
	for _, p := range sol.Packages {
		got = append(got, u.NEVRA(p))
	}
	slices.Sort(got)
	if !slices.Equal(got, c.installed) {
		return fmt.Sprintf("installs %v, want %v", got, c.installed)
	}
	return ""
}

// runTestcases runs all cases below a folder and returns a line for each file with cases that were left out.
func runTestcases(t *testing.T, dir string) (ran int, out []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.t"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no *.t below %s (%v)", dir, err)
	}
	for _, file := range files {
		name, err := filepath.Rel(dir, file)
		if err != nil {
			t.Fatal(err)
		}
		cases, err := readTestcases(file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		reasons := map[string]int{}
		var order []string
		for i := range cases {
			if cases[i].unfit != "" {
				reason := strings.TrimPrefix(cases[i].unfit, "for all: ")
				if reasons[reason]++; reasons[reason] == 1 {
					order = append(order, reason)
				}
				continue
			}
			ran++
			if problem := cases[i].run(t); problem != "" {
				t.Errorf("%s, case %d: %s", name, i+1, problem)
			}
		}
		for _, reason := range order {
			out = append(out, fmt.Sprintf("%s\t%d of %d\t%s", filepath.ToSlash(name), reasons[reason], len(cases), reason))
		}
	}
	return ran, out
}

// TestTestcasesOfLibsolv runs libsolv's own cases. Those that are about updates, erasures, other architectures or libsolv's inside are
// left out; testdata/libsolv-left-out.tsv says which and why, and must say so completely.
func TestTestcasesOfLibsolv(t *testing.T) {
	corpus := os.Getenv("SLIMRPM_CORPUS")
	dir := filepath.Join(corpus, "libsolv")
	if _, err := os.Stat(dir); corpus == "" || err != nil {
		t.Skip("not checked: SLIMRPM_CORPUS names no folder with libsolv/; third_party/corpus/fetch makes it")
	}
	ran, leftOut := runTestcases(t, dir)
	t.Logf("%d cases pass, left out are:\n%s", ran, strings.Join(leftOut, "\n"))
	const list = "testdata/libsolv-left-out.tsv"
	text := strings.Join(leftOut, "\n") + "\n"
	if os.Getenv("UPDATE_LIBSOLV") != "" {
		if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(list)
	if err != nil || string(want) != text {
		t.Errorf("%s does not list the cases that were left out (%v); UPDATE_LIBSOLV=1 go test ./tools/internal/resolve -run TestcasesOfLibsolv", list, err)
	}
}

// TestTestcases runs our own cases in the same format.
func TestTestcases(t *testing.T) {
	ran, leftOut := runTestcases(t, "testdata")
	if ran < 10 || len(leftOut) > 0 {
		t.Errorf("%d cases, left out: %q", ran, leftOut)
	}
}
