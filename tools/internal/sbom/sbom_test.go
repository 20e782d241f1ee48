package sbom

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	packageurl "github.com/package-url/packageurl-go"
	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// everyOrigin is a tree with all that a list tells apart, and with names, licences and paths that need care.
func everyOrigin() *rootfs.Tree {
	const release = "NAME=\"Amazon Linux\"\nID=\"amzn\"\nVERSION_ID='2023'\n"
	return &rootfs.Tree{Label: "//app:rootfs", Release: "al2023", Arch: "x86_64", Layers: 2, Image: "sha256:abc",
		Packages: []rootfs.Package{
			{Name: "compat-libstdc++", NEVRA: "compat-libstdc++-2:3.3.6^git1~rc-1.i686", Arch: "i686", Layer: 1, FileStates: "0204", SizeBytes: 9,
				License: "GPLv2+ and MIT", SourceRPM: "compat-libstdc++-3.3.6^git1~rc-1.src.rpm", Vendor: "V <&> Co", URL: "https://example.org/a?b=c", SHA256: strings.Repeat("ab", 32)},
			{Name: "gpg-pubkey", NEVRA: "gpg-pubkey-1-2.(none)", Arch: "(none)", FileStates: "", License: "pubkey", Foreign: &rootfs.ForeignPackage{Size: 1}},
			{Name: "latin", NEVRA: "latin-1-1.noarch", Arch: "noarch", Layer: 1, License: "caf\xe9\tand\nnew lines", URL: "not a URL", SourceRPM: "(none)"},
			{Name: "part", NEVRA: "part-1-1.x86_64", Arch: "x86_64", Layer: 1, FileStates: "0022", Partial: true},
			{Name: "zlib", NEVRA: "zlib-1-1.x86_64", Arch: "x86_64", Layer: 1, FileStates: "22", Provided: true},
		},
		NonRPM: []rootfs.NonRPM{
			{Label: "//app:one", Name: "tool", Version: "1.0", PURL: "pkg:generic/tool@1.0", License: "Apache-2.0 OR MIT", Layer: 1, Files: 2, SizeBytes: 5,
				BuiltWith: []string{"go1.26.4"}, Digest: "h1:xyz="},
			{Label: "//app:two", Name: "tool", Version: "1.0", PURL: "pkg:generic/tool@1.0", License: "MIT", Digest: "sha256:" + strings.Repeat("cd", 32)},
		},
		Entries: []*rootfs.Entry{
			{Path: "/etc", Type: pkgindex.TypeDir, Mode: 0o755},
			{Path: "/etc/os-release", Type: pkgindex.TypeSymlink, Link: "../usr/lib/os-release"},
			{Path: "/usr", Type: pkgindex.TypeDir, Mode: 0o755, Owners: []string{"part-1-1.x86_64"}},
			{Path: "/usr/lib", Type: pkgindex.TypeDir, Mode: 0o755},
			{Path: "/usr/lib/os-release", Type: pkgindex.TypeFile, SizeBytes: int64(len(release)), Text: release, Owners: []string{"compat-libstdc++-2:3.3.6^git1~rc-1.i686"}},
			{Path: "/usr/part\xff", Type: pkgindex.TypeFile, Owners: []string{"part-1-1.x86_64"}},
		},
	}
}

func TestTable(t *testing.T) {
	want := strings.Join([]string{
		"package source_rpm license origin layer files size_bytes digest purl",
		"compat-libstdc++-2:3.3.6^git1~rc-1.i686 compat-libstdc++-3.3.6^git1~rc-1.src.rpm GPLv2+_and_MIT whole 1 2 9 sha256:" + strings.Repeat("ab", 32) +
			" pkg:rpm/amzn/compat-libstdc%2B%2B@3.3.6%5Egit1~rc-1?arch=i686&distro=amzn-2023&epoch=2&upstream=compat-libstdc%2B%2B-3.3.6%5Egit1~rc-1.src.rpm",
		"gpg-pubkey-1-2.(none) - pubkey foreign 0 0 0 - pkg:rpm/amzn/gpg-pubkey@1-2?distro=amzn-2023",
		"latin-1-1.noarch (none) caf\uFFFDe9_and_new_lines whole 1 0 0 - pkg:rpm/amzn/latin@1-1?arch=noarch&distro=amzn-2023",
		"part-1-1.x86_64 - - partial 1 2 0 - pkg:rpm/amzn/part@1-1?arch=x86_64&distro=amzn-2023",
		"zlib-1-1.x86_64 - - provided 1 0 0 - pkg:rpm/amzn/zlib@1-1?arch=x86_64&distro=amzn-2023",
		"//app:one - Apache-2.0_OR_MIT content 1 2 5 h1:xyz= pkg:generic/tool@1.0",
		"//app:two - MIT content 0 0 0 sha256:" + strings.Repeat("cd", 32) + " pkg:generic/tool@1.0",
	}, "\n") + "\n"
	got := strings.ReplaceAll(strings.ReplaceAll(Table(Items(everyOrigin())), " ", "_"), "\t", " ")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPackageURLs(t *testing.T) {
	for _, item := range Items(everyOrigin()) {
		p, err := packageurl.FromString(item.PURL)
		if err != nil {
			t.Errorf("%s: %v", item.PURL, err)
			continue
		}
		if got := p.ToString(); got != item.PURL {
			t.Errorf("its library writes %s, we %s", got, item.PURL)
		}
		if item.Origin != Content && (p.Type != "rpm" || p.Name != item.Name || p.Namespace != "amzn") {
			t.Errorf("%s is %+v", item.PURL, p)
		}
	}
	tree := everyOrigin()
	tree.Entries = nil
	if got := Items(tree)[3].PURL; got != "pkg:rpm/part@1-1?arch=x86_64" {
		t.Errorf("without os-release: %s", got)
	}
}

// TestCycloneDX lets the library of the CycloneDX project decode a bill of materials and write it again: nothing may get lost.
func TestCycloneDX(t *testing.T) {
	var first, second bytes.Buffer
	if err := WriteCycloneDX(&first, everyOrigin()); err != nil {
		t.Fatal(err)
	}
	if err := WriteCycloneDX(&second, everyOrigin()); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("the same tree gives other bytes (%v)", err)
	}
	var bom cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(first.Bytes()), cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&again, cyclonedx.BOMFileFormatJSON).EncodeVersion(&bom, cyclonedx.SpecVersion1_5); err != nil {
		t.Fatal(err)
	}
	var ours, theirs any
	for text, to := range map[*bytes.Buffer]*any{&first: &ours, &again: &theirs} {
		if err := json.Unmarshal(text.Bytes(), to); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(ours, theirs) {
		t.Errorf("we write\n%s\ntheir library makes of it\n%s", &first, &again)
	}
	refs := map[string]bool{}
	for _, c := range *bom.Components {
		if refs[c.BOMRef] {
			t.Errorf("two components are %s", c.BOMRef)
		}
		refs[c.BOMRef] = true
	}
	if d := *bom.Dependencies; len(d) != 1 || d[0].Ref != bom.Metadata.Component.BOMRef || len(*d[0].Dependencies) != len(refs) {
		t.Errorf("dependencies %+v", d)
	}
	part := (*bom.Components)[4]
	var properties []string
	for _, p := range *part.Properties {
		properties = append(properties, p.Name+"="+p.Value)
	}
	want := "rules_slimrpm:origin=partial rules_slimrpm:nevra=part-1-1.x86_64 rules_slimrpm:layer=1 rules_slimrpm:files=2 of 4 rules_slimrpm:size_bytes=0 rules_slimrpm:path=/usr/part\uFFFDff"
	if got := strings.Join(properties, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	changed := everyOrigin()
	changed.Packages[3].Partial = false
	var other bytes.Buffer
	if err := WriteCycloneDX(&other, changed); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(other.Bytes(), []byte(bom.SerialNumber)) {
		t.Errorf("another tree has the same serial number %s", bom.SerialNumber)
	}
}

// TestSchema holds a bill of materials against the published schema. It is 200 kB of text of others, so it is not in the repository.
func TestSchema(t *testing.T) {
	dir := os.Getenv("SLIMRPM_CYCLONEDX_SCHEMAS")
	if dir == "" {
		t.Skip("SLIMRPM_CYCLONEDX_SCHEMAS names no folder with the schemas of CycloneDX (res/schema of the npm package @cyclonedx/cyclonedx-library): " +
			"a bill of materials was not validated with the published schema, only read by the library of that project")
	}
	compiler := jsonschema.NewCompiler()
	for id, name := range map[string]string{"bom-1.5": "bom-1.5", "spdx.SNAPSHOT": "spdx", "jsf-0.82.SNAPSHOT": "jsf-0.82"} {
		f, err := os.Open(filepath.Join(dir, name+".SNAPSHOT.schema.json"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := compiler.AddResource("http://cyclonedx.org/schema/"+id+".schema.json", f); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := compiler.Compile("http://cyclonedx.org/schema/bom-1.5.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := WriteCycloneDX(&text, everyOrigin()); err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Errorf("%#v", err)
	}
	doc["specVersion"] = 15
	if schema.Validate(doc) == nil {
		t.Error("the schema lets anything pass")
	}
}
