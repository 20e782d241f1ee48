package elfdeps

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// maxOracleFiles keeps the comparison short; SLIMRPM_ELF_ROOT names a root whose files are all compared.
const maxOracleFiles = 300

// TestReadAgainstReadelf compares with binutils over the programs and libraries of a root.
func TestReadAgainstReadelf(t *testing.T) {
	if _, err := exec.LookPath("readelf"); err != nil {
		t.Skip("no readelf on this machine")
	}
	root, limit := os.Getenv("SLIMRPM_ELF_ROOT"), 0
	if root == "" {
		root, limit = "/", maxOracleFiles
	}
	files := elfFiles(t, root, limit)
	compared := 0
	for len(files) > 0 {
		n := min(50, len(files))
		want := readelf(t, files[:n])
		for _, name := range files[:n] {
			got := readFile(t, name)
			if got.Type == "rel" || got.Type == "core" {
				continue // readelf shows notes and relocations of them that no loader sees
			}
			got = &pkgindex.ELF{Class: got.Class, Type: got.Type, Interp: got.Interp, Soname: got.Soname, Needed: got.Needed,
				RPath: got.RPath, RunPath: got.RunPath, VerNeed: got.VerNeed, VerDef: got.VerDef}
			if !reflect.DeepEqual(got, want[name]) {
				t.Errorf("%s:\n got %+v\nwant %+v", name, got, want[name])
			}
			compared++
		}
		files = files[n:]
	}
	if compared == 0 {
		t.Fatalf("no ELF files below %s", root)
	}
	t.Logf("%d files equal to readelf's reading", compared)
}

// elfFiles lists the regular files that begin like ELF in the usual places of root.
func elfFiles(t *testing.T, root string, limit int) []string {
	t.Helper()
	var out []string
	for _, dir := range []string{"usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/libexec"} {
		before := len(out)
		err := filepath.WalkDir(filepath.Join(root, dir), func(name string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // unreadable directories and special files are no subject of this test
			}
			if limit > 0 && len(out)-before >= limit {
				return filepath.SkipAll
			}
			if startsLikeELF(name) {
				out = append(out, name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func startsLikeELF(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	n, _ := f.Read(magic[:])
	return n == 4 && string(magic[:]) == "\x7fELF"
}

func readFile(t *testing.T, name string) *pkgindex.ELF {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	e, err := Read(f, info.Size())
	if err != nil || e == nil {
		t.Fatalf("%s: %v, %v", name, e, err)
	}
	return e
}

// readelf runs the real program over several files and reads its words.
func readelf(t *testing.T, files []string) map[string]*pkgindex.ELF {
	t.Helper()
	cmd := exec.Command("readelf", append([]string{"-hldVW"}, files...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := map[string]*pkgindex.ELF{}
	p := &readelfParser{out: out}
	if len(files) == 1 {
		p.line("File: " + files[0])
	}
	lines := bufio.NewScanner(pipe)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		p.line(lines.Text())
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		t.Logf("readelf: %v", err) // it also complains about files of foreign machines
	}
	return out
}

var (
	bracketed   = regexp.MustCompile(`\[(.*)\]$`)
	needFile    = regexp.MustCompile(`Version: \d+  File: (\S+)  Cnt: \d+`)
	needVersion = regexp.MustCompile(`Name: (\S+) +Flags: (.*?)  Version: \d+`)
	defVersion  = regexp.MustCompile(`Rev: \d+  Flags: (.*?)  +Index: \d+  Cnt: \d+  Name: (\S+)`)
	classLine   = regexp.MustCompile(`^  Class: +ELF(\d+)`)
	typeLine    = regexp.MustCompile(`^  Type: +(\w+)`)
)

type readelfParser struct {
	out  map[string]*pkgindex.ELF
	e    *pkgindex.ELF
	need *pkgindex.VersionNeed
}

func (p *readelfParser) line(line string) {
	if name, ok := strings.CutPrefix(line, "File: "); ok {
		p.e = &pkgindex.ELF{}
		p.out[name] = p.e
		return
	}
	value := ""
	if m := bracketed.FindStringSubmatch(line); m != nil {
		value = m[1]
	}
	switch {
	case classLine.MatchString(line):
		p.e.Class = map[string]int{"32": 32, "64": 64}[classLine.FindStringSubmatch(line)[1]]
	case typeLine.MatchString(line):
		p.e.Type = strings.ToLower(typeLine.FindStringSubmatch(line)[1])
	case strings.Contains(line, "[Requesting program interpreter: "):
		p.e.Interp = strings.TrimPrefix(value, "Requesting program interpreter: ")
	case strings.Contains(line, "(NEEDED)"):
		p.e.Needed = append(p.e.Needed, value)
	case strings.Contains(line, "(SONAME)"):
		p.e.Soname = value
	case strings.Contains(line, "(RPATH)") && value != "":
		p.e.RPath = strings.Split(value, ":")
	case strings.Contains(line, "(RUNPATH)") && value != "":
		p.e.RunPath = strings.Split(value, ":")
	case needFile.MatchString(line):
		p.need = &pkgindex.VersionNeed{Soname: needFile.FindStringSubmatch(line)[1]}
	case needVersion.MatchString(line):
		p.versionNeeded(needVersion.FindStringSubmatch(line))
	case defVersion.MatchString(line):
		if m := defVersion.FindStringSubmatch(line); !strings.Contains(m[1], "BASE") {
			p.e.VerDef = append(p.e.VerDef, m[2])
		}
	}
}

func (p *readelfParser) versionNeeded(m []string) {
	if strings.Contains(m[2], "WEAK") {
		return
	}
	if len(p.need.Versions) == 0 {
		p.e.VerNeed = append(p.e.VerNeed, *p.need)
	}
	p.need = &p.e.VerNeed[len(p.e.VerNeed)-1]
	p.need.Versions = append(p.need.Versions, m[1])
}
