package resolve

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// testPackage is one package of a made-up repository. Dependencies are texts: "name", "name >= 1-1", "(a or b)".
type testPackage struct {
	name, evr, arch                                                string
	provides, requires, conflicts, obsoletes, recommends, suggests []string
	supplements, enhances                                          []string
	files                                                          []string
	bytes                                                          int64 // installed
}

// primaryXML writes packages as createrepo_c would.
func primaryXML(packages []testPackage) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<metadata xmlns:rpm=\"x\" packages=\"%d\">\n", len(packages))
	for i, p := range packages {
		version, release, _ := strings.Cut(p.evr, "-")
		if p.arch == "" {
			p.arch = "x86_64"
		}
		fmt.Fprintf(&b, `<package type="rpm"><name>%s</name><arch>%s</arch><version epoch="0" ver="%s" rel="%s"/>`+
			`<checksum type="sha256" pkgid="YES">%064x</checksum><size package="1" installed="%d"/><location href="%d.rpm"/><format>`, p.name, p.arch, version, release, i+1, p.bytes, i)
		lists := []struct {
			tag  string
			deps []string
		}{
			{"provides", append([]string{p.name + " = " + p.evr}, p.provides...)}, {"requires", p.requires}, {"conflicts", p.conflicts},
			{"obsoletes", p.obsoletes}, {"recommends", p.recommends}, {"suggests", p.suggests}, {"supplements", p.supplements},
			{"enhances", p.enhances},
		}
		for _, list := range lists {
			fmt.Fprintf(&b, "<rpm:%s>", list.tag)
			for _, dep := range list.deps {
				b.WriteString(entryXML(dep))
			}
			fmt.Fprintf(&b, "</rpm:%s>", list.tag)
		}
		for _, f := range p.files {
			fmt.Fprintf(&b, "<file>%s</file>", f)
		}
		b.WriteString("</format></package>\n")
	}
	b.WriteString("</metadata>\n")
	return b.String()
}

var escapeXML = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func entryXML(dep string) string {
	fields := strings.Fields(dep)
	if strings.HasPrefix(dep, "(") || len(fields) != 3 {
		return fmt.Sprintf(`<rpm:entry name="%s"/>`, escapeXML.Replace(dep))
	}
	flags := map[string]string{"=": "EQ", "<": "LT", ">": "GT", "<=": "LE", ">=": "GE"}[fields[1]]
	version, release, ok := strings.Cut(fields[2], "-")
	rel := ""
	if ok {
		rel = fmt.Sprintf(` rel="%s"`, release)
	}
	return fmt.Sprintf(`<rpm:entry name="%s" flags="%s" epoch="0" ver="%s"%s/>`, fields[0], flags, version, rel)
}

// universeOf indexes made-up packages.
func universeOf(t testing.TB, packages ...testPackage) *Universe {
	t.Helper()
	primary, err := repomd.ParsePrimary(strings.NewReader(primaryXML(packages)))
	if err != nil {
		t.Fatal(err)
	}
	return NewUniverse("x86_64", []Repository{{ID: "test", Priority: 99, Primary: primary}}, nil)
}

// randomPackages makes a small universe that is hard for its size: several versions, virtual provides, conflicts, obsoletes and
// rich dependencies between few names.
func randomPackages(rnd *rand.Rand) []testPackage {
	names := 6 + rnd.Intn(10)
	name := func() string { return fmt.Sprintf("p%02d", rnd.Intn(names)) }
	capability := func() string { return fmt.Sprintf("cap%d", rnd.Intn(5)) }
	versioned := func(base string) string {
		switch rnd.Intn(3) {
		case 0:
			return fmt.Sprintf("%s %s %d-%d", base, []string{"=", "<", ">", "<=", ">="}[rnd.Intn(5)], 1+rnd.Intn(3), 1+rnd.Intn(2))
		case 1:
			return fmt.Sprintf("%s %s %d", base, []string{"=", ">="}[rnd.Intn(2)], 1+rnd.Intn(3))
		}
		return base
	}
	any := func() string {
		if rnd.Intn(3) == 0 {
			return versioned(capability())
		}
		return versioned(name())
	}
	rich := func() string {
		switch rnd.Intn(7) {
		case 0:
			return fmt.Sprintf("(%s or %s)", any(), any())
		case 1:
			return fmt.Sprintf("(%s if %s)", any(), any())
		case 2:
			return fmt.Sprintf("(%s if %s else %s)", any(), any(), any())
		case 3:
			return fmt.Sprintf("(%s and %s)", any(), any())
		case 4:
			return fmt.Sprintf("(%s with %s)", any(), any())
		case 5:
			return fmt.Sprintf("(%s without %s)", any(), any())
		}
		return fmt.Sprintf("(%s if (%s or %s))", any(), any(), any())
	}
	// libsolv breaks ties by the order in which names first occur; the first package makes that the order of names, which is ours
	index := testPackage{name: "index", evr: "1-1"}
	for i := range names {
		index.suggests = append(index.suggests, fmt.Sprintf("p%02d", i))
	}
	out := []testPackage{index}
	for i := range names {
		for version := range 1 + rnd.Intn(3) {
			p := testPackage{name: fmt.Sprintf("p%02d", i), evr: fmt.Sprintf("%d-%d", version+1, 1+rnd.Intn(2))}
			for range rnd.Intn(3) {
				p.requires = append(p.requires, any())
			}
			if rnd.Intn(3) == 0 {
				p.requires = append(p.requires, rich())
			}
			if rnd.Intn(2) == 0 {
				p.provides = append(p.provides, []string{capability(), fmt.Sprintf("%s = %d", capability(), 1+rnd.Intn(3))}[rnd.Intn(2)])
			}
			if rnd.Intn(4) == 0 {
				p.conflicts = append(p.conflicts, any())
			}
			if rnd.Intn(8) == 0 {
				p.obsoletes = append(p.obsoletes, versioned(name()))
			}
			if rnd.Intn(5) == 0 {
				p.recommends = append(p.recommends, any())
			}
			if rnd.Intn(8) == 0 {
				p.suggests = append(p.suggests, any())
			}
			if rnd.Intn(8) == 0 {
				p.supplements = append(p.supplements, any())
			}
			out = append(out, p)
		}
	}
	return out
}

func TestRandomUniversesLikeLibsolv(t *testing.T) {
	universes := 40
	if os.Getenv("SLIMRPM_LONG") != "" {
		universes = 1000
	}
	const setsEach = 10
	var differ []string
	for seed := range universes {
		packages := randomPackages(rand.New(rand.NewSource(int64(seed))))
		u := universeOf(t, packages...)
		file := filepath.Join(t.TempDir(), "primary.xml")
		if err := os.WriteFile(file, []byte(primaryXML(packages)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, texts := compareWithLibsolv(t, u, nil, []string{file}, randomRoots(u, setsEach, int64(seed)))
		for _, text := range texts {
			differ = append(differ, fmt.Sprintf("universe %d, %s", seed, text))
		}
	}
	t.Logf("%d of %d root sets have the solution of libsolv", universes*setsEach-len(differ), universes*setsEach)
	if len(differ) > 0 {
		t.Errorf("%d root sets have another solution than libsolv's:\n%s", len(differ), strings.Join(differ, "\n"))
	}
}
