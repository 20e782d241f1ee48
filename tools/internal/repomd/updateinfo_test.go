package repomd

import (
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
)

// updates are in the ways of four vendors.
const updates = `<?xml version="1.0"?>
<updates>
<!-- <update> in a comment between two -->
<update author="a@example.com" from="a@example.com" status="final" type="Security" version="1.4"><id>ALAS-1</id>
<title>httpd &amp; friends</title><issued date="2011-09-27 22:46" /><updated date="2014-09-14 14:25:01"/><severity>medium</severity>
<description>text with <![CDATA[ </b> <id>no</id> ]]> and &lt;id&gt;</description>
<references><reference href="https://example.com/?a=1&amp;b=2" id="CVE-2011-3192" title="" type="cve"/>
<reference href="https://example.com/7" id="7" title="bug 7, CVE-2011-99999" type="bugzilla"/></references>
<pkglist><collection short="al"><name>Amazon Linux</name>
<package arch="x86_64" epoch="1" name="mod_ssl" release="1.amzn1" version="2.2.21" src="httpd-2.2.21-1.amzn1.src.rpm"><filename>Packages/mod_ssl.rpm</filename></package>
<package arch="src" epoch="" name="httpd" release="1.amzn1" version="2.2.21"/>
</collection></pkglist></update>
<update status="stable" from="b@example.com" type="recommended" version="2"><id>ALAS-1</id><title>kernel: CVE-2008-5514 and CVE-20</title>
<release>openSUSE 11.1</release><issued date="1229530910"/>
<pkglist><collection><module name="perl" stream="5.30" version="8040020200923213406" context="466ea64f" arch="x86_64"/>
<package name="kernel" arch="noarch" version="2" release="1"><filename>k.rpm</filename><reboot_suggested>True</reboot_suggested><relogin_suggested/>
<restart_suggested>0</restart_suggested></package></collection><collection/></pkglist></update>
</updates>
`

func dumpAdvisories(list []Advisory) string {
	var b strings.Builder
	for i := range list {
		a := &list[i]
		fmt.Fprintf(&b, "%s %s %s(%d) %q %s issued=%s updated=%s", a.ID, a.Type, a.Severity, a.Level(), a.Title, a.Status,
			a.Issued.Format("2006-01-02T15:04:05Z07:00"), a.Updated.Format("2006-01-02T15:04:05Z07:00"))
		fmt.Fprintf(&b, " reboot=%v restart=%v relogin=%v cves=%v\n", a.RebootSuggested, a.RestartSuggested, a.ReloginSuggested, a.CVEs())
		for _, r := range a.References {
			fmt.Fprintf(&b, " %s %s %q %s\n", r.Type, r.ID, r.Title, r.URL)
		}
		for _, c := range a.Collections {
			fmt.Fprintf(&b, " collection %q %q %v\n", c.Short, c.Name, c.Module)
			for _, p := range c.Packages {
				fmt.Fprintf(&b, "  %s %s\n", p.NEVRA(), p.Source)
			}
		}
	}
	return b.String()
}

func TestParseUpdateinfo(t *testing.T) {
	list, err := ParseUpdateinfo(strings.NewReader(updates))
	if err != nil {
		t.Fatal(err)
	}
	want := `ALAS-1 security medium(2) "httpd & friends" final issued=2011-09-27T22:46:00Z updated=2014-09-14T14:25:01Z reboot=false restart=false relogin=false cves=[CVE-2011-3192 CVE-2011-99999]
 cve CVE-2011-3192 "" https://example.com/?a=1&b=2
 bugzilla 7 "bug 7, CVE-2011-99999" https://example.com/7
 collection "al" "Amazon Linux" <nil>
  mod_ssl-1:2.2.21-1.amzn1.x86_64 httpd-2.2.21-1.amzn1.src.rpm
  httpd-2.2.21-1.amzn1.src 
ALAS-1 recommended (0) "kernel: CVE-2008-5514 and CVE-20" stable issued=2008-12-17T16:21:50Z updated=0001-01-01T00:00:00Z reboot=true restart=false relogin=true cves=[CVE-2008-5514]
 collection "" "" &{perl 5.30 8040020200923213406 466ea64f x86_64}
  kernel-2-1.noarch 
 collection "" "" <nil>
`
	if got := dumpAdvisories(list); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if bugs := list[0].Bugs(); len(bugs) != 1 || bugs[0].ID != "7" {
		t.Errorf("bugs: %v", bugs)
	}
	for _, empty := range []string{"<updates/>", "<?xml version='1.0'?>\n<updates></updates>", "<updates>\n</updates>\n"} {
		if list, err := ParseUpdateinfo(strings.NewReader(empty)); err != nil || len(list) != 0 {
			t.Errorf("%s: %v, %v", empty, list, err)
		}
	}
}

func TestUpdateinfoErrors(t *testing.T) {
	edit := func(old, new string) string { return strings.Replace(updates, old, new, 1) }
	for _, c := range []struct{ summary, text, want string }{
		{"nothing", "", "no <updates> element"},
		{"another document", "<metadata></metadata>", "the root element is <metadata>, not <updates>"},
		{"cut off in an update", updates[:900], "a <update> element is cut off"},
		{"cut off between updates", strings.TrimSuffix(updates, "</updates>\n"), "the end tag </updates> is missing"},
		{"no id", edit("<id>ALAS-1</id>", ""), "update 1: it has no id"},
		{"two ids", edit("<id>ALAS-1</id>", "<id>A</id><id>B</id>"), "update 1 (A): <id> is given twice"},
		{"an id with elements", edit("<id>ALAS-1</id>", "<id>A<b/></id>"), "<id> holds more than text"},
		{"a date in words", edit("2011-09-27 22:46", "27 Sep 2011"), `update 1 (ALAS-1): <issued>: "27 Sep 2011" is no date`},
		{"a huge date", edit("1229530910", "1229530910000000"), `"1229530910000000" is no date`},
		{"a package without arch", edit(`arch="src"`, ``), "a package has no name, arch or version"},
		{"a path as version", edit(`version="2.2.21" src`, `version="../2" src`), `"../2" is no part of a package's name`},
		{"an epoch in words", edit(`epoch="1"`, `epoch="one"`), "epoch"},
		{"a strange flag", edit("True", "perhaps"), `<reboot_suggested> is "perhaps", neither true nor false`},
		{"a tag that does not fit", edit("</title>", "</id>"), "the end tag </id> does not fit"},
		{"an unknown entity", edit("&amp; friends", "&nbsp;"), "unknown entity"},
		{"a long title", edit("httpd &amp; friends", strings.Repeat("x", maxAdvisoryText+1)), "longer than 65536 bytes"},
	} {
		_, err := ParseUpdateinfo(strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one with %q", c.summary, err, c.want)
		}
	}
}

func FuzzParseUpdateinfo(f *testing.F) {
	f.Add([]byte(updates))
	f.Add([]byte("<updates/>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := ParseUpdateinfo(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		for i := range list {
			if list[i].ID == "" {
				t.Error("an advisory without id")
			}
			list[i].CVEs()
		}
	})
}

// realMetadata returns the files below $SLIMRPM_REAL_METADATA that match a glob, which other projects wrote.
func realMetadata(t *testing.T, glob string) []string {
	dir := os.Getenv("SLIMRPM_REAL_METADATA")
	if dir == "" {
		t.Skip("SLIMRPM_REAL_METADATA names no folder with metadata of other projects")
	}
	names, err := filepath.Glob(filepath.Join(dir, glob))
	if err != nil || len(names) == 0 {
		t.Skipf("%s holds no %s", dir, glob)
	}
	return names
}

func open(t *testing.T, name string) io.Reader {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	r, err := Decompress(f, -1)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRealUpdateinfo compares with encoding/xml, which reads the same in another way.
func TestRealUpdateinfo(t *testing.T) {
	for _, name := range realMetadata(t, "*updateinfo*") {
		list, err := ParseUpdateinfo(open(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := decodeUpdates(t, open(t, name))
		if len(want) != len(list) {
			t.Fatalf("%s: %d advisories, encoding/xml finds %d", name, len(list), len(want))
		}
		packages, references := 0, 0
		for i := range list {
			if !reflect.DeepEqual(list[i], want[i]) {
				t.Fatalf("%s: got\n%swant\n%s", name, dumpAdvisories(list[i:i+1]), dumpAdvisories(want[i:i+1]))
			}
			references += len(list[i].References)
			for _, c := range list[i].Collections {
				packages += len(c.Packages)
			}
		}
		t.Logf("%s: %d advisories, %d packages, %d references", filepath.Base(name), len(list), packages, references)
	}
}

type xmlUpdate struct {
	Type      string  `xml:"type,attr"`
	Status    string  `xml:"status,attr"`
	ID        string  `xml:"id"`
	Title     string  `xml:"title"`
	Severity  string  `xml:"severity"`
	Issued    xmlDate `xml:"issued"`
	Updated   xmlDate `xml:"updated"`
	Reference []struct {
		Type  string `xml:"type,attr"`
		ID    string `xml:"id,attr"`
		Title string `xml:"title,attr"`
		Href  string `xml:"href,attr"`
	} `xml:"references>reference"`
	Collection []struct {
		Short   string `xml:"short,attr"`
		Name    string `xml:"name"`
		Package []struct {
			Name    string    `xml:"name,attr"`
			Arch    string    `xml:"arch,attr"`
			Epoch   string    `xml:"epoch,attr"`
			Version string    `xml:"version,attr"`
			Release string    `xml:"release,attr"`
			Src     string    `xml:"src,attr"`
			Reboot  *struct{} `xml:"reboot_suggested"`
			Restart *struct{} `xml:"restart_suggested"`
			Relogin *struct{} `xml:"relogin_suggested"`
		} `xml:"package"`
	} `xml:"pkglist>collection"`
}

type xmlDate struct {
	Date string `xml:"date,attr"`
}

func decodeUpdates(t *testing.T, r io.Reader) []Advisory {
	var doc struct {
		Update []xmlUpdate `xml:"update"`
	}
	if err := xml.NewDecoder(r).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	var out []Advisory
	for _, u := range doc.Update {
		a := Advisory{ID: strings.TrimSpace(u.ID), Type: u.Type, Status: u.Status, Title: strings.TrimSpace(u.Title), Severity: strings.TrimSpace(u.Severity)}
		a.Issued, _ = parseDate(u.Issued.Date)
		a.Updated, _ = parseDate(u.Updated.Date)
		for _, r := range u.Reference {
			a.References = append(a.References, Reference{r.Type, r.ID, r.Title, r.Href})
		}
		for _, c := range u.Collection {
			out := Collection{Short: c.Short, Name: strings.TrimSpace(c.Name)}
			for _, p := range c.Package {
				epoch, err := evr.ParseEpoch(p.Epoch)
				if err != nil {
					t.Fatal(err)
				}
				out.Packages = append(out.Packages, AdvisoryPackage{p.Name, p.Arch, evr.EVR{Epoch: epoch, Version: p.Version, Release: p.Release}, p.Src})
				a.RebootSuggested = a.RebootSuggested || p.Reboot != nil
				a.RestartSuggested = a.RestartSuggested || p.Restart != nil
				a.ReloginSuggested = a.ReloginSuggested || p.Relogin != nil
			}
			a.Collections = append(a.Collections, out)
		}
		out = append(out, a)
	}
	return out
}
