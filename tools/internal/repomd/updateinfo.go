package repomd

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
)

// Advisory is one update of updateinfo.xml: which packages it brings, and what they fix. Descriptions are not kept: they are
// most of the document, and its page says them better.
type Advisory struct {
	ID       string
	Type     string // lower case: security, bugfix, enhancement, newpackage, recommended, optional, feature, ...
	Severity string // in the vendor's words: Critical, important, Medium, ...; see Level
	Title    string
	Status   string // final, stable, testing, ...
	// Issued and Updated are in UTC, zero when the advisory does not say.
	Issued, Updated time.Time
	References      []Reference
	Collections     []Collection
	// What the vendor suggests after the installation of any of the packages.
	RebootSuggested, RestartSuggested, ReloginSuggested bool
}

// Reference is what an advisory is about.
type Reference struct {
	Type  string // lower case: cve, bugzilla, self, redhat, ...
	ID    string // "CVE-2024-1234", "1839151"; may be empty
	Title string
	URL   string
}

// Collection is a list of packages, of one module stream when Module is not nil.
type Collection struct {
	Short, Name string
	Module      *AdvisoryModule
	Packages    []AdvisoryPackage
}

// AdvisoryModule is the module stream that the packages of a collection belong to.
type AdvisoryModule struct{ Name, Stream, Version, Context, Arch string }

// AdvisoryPackage is one package that an advisory brings; Arch is src or nosrc for source packages.
type AdvisoryPackage struct {
	Name, Arch string
	EVR        evr.EVR
	Source     string // file name of the source package; may be empty
}

// NEVRA gives name-[epoch:]version-release.arch.
func (p *AdvisoryPackage) NEVRA() string { return p.Name + "-" + p.EVR.String() + "." + p.Arch }

// Bounds on what one advisory may hold.
const (
	maxAdvisoryText = 1 << 16
	maxAdvisoryList = 1 << 20 // references, packages
)

// Security reports whether an advisory fixes a vulnerability.
func (a *Advisory) Security() bool { return a.Type == "security" }

// Level orders severities: 4 critical, 3 important, 2 moderate, 1 low, 0 unknown or none.
func (a *Advisory) Level() int {
	switch strings.ToLower(a.Severity) {
	case "critical":
		return 4
	case "important", "high":
		return 3
	case "moderate", "medium":
		return 2
	case "low":
		return 1
	}
	return 0
}

// CVEs returns the vulnerabilities that an advisory names, sorted: in its references and, as older openSUSE does, in titles.
func (a *Advisory) CVEs() []string {
	var out []string
	for _, r := range a.References {
		if r.Type == "cve" && r.ID != "" {
			out = append(out, r.ID)
		}
		out = append(appendCVEs(out, r.ID), appendCVEs(nil, r.Title)...)
	}
	out = appendCVEs(out, a.Title)
	slices.Sort(out)
	return slices.Compact(out)
}

// appendCVEs appends every "CVE-year-number" of a text.
func appendCVEs(out []string, text string) []string {
	for {
		at := strings.Index(text, "CVE-")
		if at < 0 {
			return out
		}
		text = text[at:]
		year := digits(text[4:])
		if len(year) == 4 && strings.HasPrefix(text[8:], "-") {
			if number := digits(text[9:]); len(number) >= 4 {
				out = append(out, text[:9+len(number)])
			}
		}
		text = text[4:]
	}
}

func digits(text string) string {
	return text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
}

// Bugs returns the entries of bug trackers that an advisory names, in its order.
func (a *Advisory) Bugs() []Reference {
	var out []Reference
	for _, r := range a.References {
		if r.Type == "bugzilla" || r.Type == "bug" || r.Type == "jira" {
			out = append(out, r)
		}
	}
	return out
}

// ParseUpdateinfo reads an uncompressed updateinfo.xml. An ID may occur more than once: openSUSE numbers its updates by ID and
// version, merged repositories have copies.
func ParseUpdateinfo(r io.Reader) ([]Advisory, error) {
	var out []Advisory
	c := newChunker(r, "updates", "update")
	x := advisoryParser{texts: NewStrings()}
	for {
		chunk, err := c.next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err == nil {
			err = x.update(chunk)
		}
		if err != nil {
			return nil, fmt.Errorf("reading updateinfo.xml: update %d%s: %w", len(out)+1, x.where(), err)
		}
		out = append(out, x.cur)
	}
}

// advisoryParser holds the state of the update being read.
type advisoryParser struct {
	cur     Advisory
	texts   *Strings // each text once: names and versions repeat for every architecture
	scratch []byte
	path    []string // names of the open elements
}

func (x *advisoryParser) where() string {
	if x.cur.ID == "" {
		return ""
	}
	return fmt.Sprintf(" (%.80s)", x.cur.ID)
}

func (x *advisoryParser) update(chunk []byte) error {
	x.cur, x.path = Advisory{}, x.path[:0]
	t := tags{rest: chunk, skips: true}
	for t.next() {
		if t.end {
			if len(x.path) == 0 || x.path[len(x.path)-1] != string(t.name) {
				return fmt.Errorf("the end tag </%.40s> does not fit", t.name)
			}
			x.path = x.path[:len(x.path)-1]
			continue
		}
		parent := ""
		if len(x.path) > 0 {
			parent = x.path[len(x.path)-1]
		}
		if err := x.element(parent, &t); err != nil {
			return err
		}
		if !t.empty {
			x.path = append(x.path, x.text(t.name))
		}
	}
	if t.err != nil {
		return t.err
	}
	if x.cur.ID == "" {
		return errors.New("it has no id")
	}
	return nil
}

// text keeps a short text that was unescaped already.
func (x *advisoryParser) text(b []byte) string { return x.texts.Text(x.texts.Intern(b)) }

func (x *advisoryParser) element(parent string, t *tags) error {
	switch parent + ">" + string(t.name) {
	case ">update":
		err := x.attributes(t, map[string]*string{"type": &x.cur.Type, "status": &x.cur.Status})
		x.cur.Type = strings.ToLower(x.cur.Type)
		return err
	case "update>id":
		return x.content(t, &x.cur.ID)
	case "update>title":
		return x.content(t, &x.cur.Title)
	case "update>severity":
		return x.content(t, &x.cur.Severity)
	case "update>issued":
		return x.date(t, &x.cur.Issued)
	case "update>updated":
		return x.date(t, &x.cur.Updated)
	case "update>reboot_suggested", "package>reboot_suggested":
		return x.flag(t, &x.cur.RebootSuggested)
	case "update>restart_suggested", "package>restart_suggested":
		return x.flag(t, &x.cur.RestartSuggested)
	case "update>relogin_suggested", "package>relogin_suggested":
		return x.flag(t, &x.cur.ReloginSuggested)
	case "references>reference":
		return x.reference(t)
	case "pkglist>collection":
		x.cur.Collections = append(x.cur.Collections, Collection{})
		return x.attributes(t, map[string]*string{"short": &x.collection().Short})
	case "collection>name":
		return x.content(t, &x.collection().Name)
	case "collection>module":
		m := new(AdvisoryModule)
		x.collection().Module = m
		return x.attributes(t, map[string]*string{
			"name": &m.Name, "stream": &m.Stream, "version": &m.Version, "context": &m.Context, "arch": &m.Arch,
		})
	case "collection>package":
		return x.pkg(t)
	}
	return nil
}

// collection is the one being read; elements of a collection outside of any pkglist make one.
func (x *advisoryParser) collection() *Collection {
	if len(x.cur.Collections) == 0 {
		x.cur.Collections = append(x.cur.Collections, Collection{})
	}
	return &x.cur.Collections[len(x.cur.Collections)-1]
}

func (x *advisoryParser) reference(t *tags) error {
	if len(x.cur.References) >= maxAdvisoryList {
		return fmt.Errorf("more than %d references", maxAdvisoryList)
	}
	var r Reference
	err := x.attributes(t, map[string]*string{"type": &r.Type, "id": &r.ID, "title": &r.Title, "href": &r.URL})
	r.Type = strings.ToLower(r.Type)
	x.cur.References = append(x.cur.References, r)
	return err
}

func (x *advisoryParser) pkg(t *tags) error {
	c := x.collection()
	if len(c.Packages) >= maxAdvisoryList {
		return fmt.Errorf("more than %d packages", maxAdvisoryList)
	}
	var p AdvisoryPackage
	var epoch string
	err := x.attributes(t, map[string]*string{
		"name": &p.Name, "arch": &p.Arch, "epoch": &epoch, "version": &p.EVR.Version, "release": &p.EVR.Release, "src": &p.Source,
	})
	if err != nil {
		return err
	}
	if p.Name == "" || p.Arch == "" || p.EVR.Version == "" {
		return fmt.Errorf("a package has no name, arch or version: %q", p.NEVRA())
	}
	for _, part := range []string{p.Name, p.Arch, p.EVR.Version, p.EVR.Release} {
		if len(part) > maxEVRPart || strings.ContainsAny(part, " \t\r\n/") {
			return fmt.Errorf("%.60q is no part of a package's name", part)
		}
	}
	if p.EVR.Epoch, err = evr.ParseEpoch(epoch); err != nil {
		return fmt.Errorf("package %s: %w", p.NEVRA(), err)
	}
	c.Packages = append(c.Packages, p)
	return nil
}

// attributes reads the attributes of a tag that are wanted.
func (x *advisoryParser) attributes(t *tags, wanted map[string]*string) error {
	return eachAttr(t.attrs, func(name, value []byte) error {
		into := wanted[string(name)]
		if into == nil {
			return nil
		}
		b, err := x.unescape(value)
		if err != nil {
			return err
		}
		if len(b) > maxAdvisoryText {
			return fmt.Errorf("%s of <%s> is longer than %d bytes", name, t.name, maxAdvisoryText)
		}
		*into = x.text(b)
		return nil
	})
}

// content reads the text of an element, which holds nothing else.
func (x *advisoryParser) content(t *tags, into *string) error {
	if t.empty {
		return nil
	}
	if !strings.HasPrefix(string(t.rest[len(t.text):min(len(t.text)+2, len(t.rest))]), "</") {
		return fmt.Errorf("<%s> holds more than text", t.name)
	}
	b, err := x.unescape(t.text)
	if err != nil {
		return err
	}
	text := strings.TrimSpace(string(b))
	if len(text) > maxAdvisoryText {
		return fmt.Errorf("<%s> is longer than %d bytes", t.name, maxAdvisoryText)
	}
	if *into != "" {
		return fmt.Errorf("<%s> is given twice", t.name)
	}
	*into = text
	return nil
}

func (x *advisoryParser) unescape(raw []byte) ([]byte, error) {
	b, err := unescape(raw, x.scratch)
	if err == nil && len(raw) != len(b) {
		x.scratch = b[:0]
	}
	return b, err
}

// flag reads <reboot_suggested>True</reboot_suggested>: an empty element means true, as createrepo_c writes it for packages.
func (x *advisoryParser) flag(t *tags, into *bool) error {
	text := ""
	if err := x.content(t, &text); err != nil {
		return err
	}
	switch strings.ToLower(text) {
	case "", "1", "true", "yes":
		*into = true
	case "0", "false", "no":
	default:
		return fmt.Errorf("<%s> is %.40q, neither true nor false", t.name, text)
	}
	return nil
}

func (x *advisoryParser) date(t *tags, into *time.Time) error {
	text := ""
	if err := x.attributes(t, map[string]*string{"date": &text}); err != nil {
		return err
	}
	at, err := parseDate(text)
	if err != nil {
		return fmt.Errorf("<%s>: %w", t.name, err)
	}
	*into = at
	return nil
}

// dateForms are those of Bodhi, Amazon, Red Hat, createrepo_c and pulp.
var dateForms = []string{
	"2006-01-02 15:04:05", "2006-01-02 15:04:05 UTC", "2006-01-02 15:04:05 MST", "2006-01-02 15:04", "2006-01-02",
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05-07:00",
}

// parseDate reads a date in any of the forms that vendors write; openSUSE writes seconds since 1970.
func parseDate(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, nil
	}
	if digits(text) == text {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n < 1<<40 {
			return time.Unix(n, 0).UTC(), nil
		}
	}
	for _, form := range dateForms {
		if at, err := time.Parse(form, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.60q is no date", text)
}
