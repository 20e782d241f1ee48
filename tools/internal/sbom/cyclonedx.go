package sbom

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// The parts of CycloneDX 1.5 that are written.
type (
	document struct {
		Schema       string       `json:"$schema"`
		Format       string       `json:"bomFormat"`
		SpecVersion  string       `json:"specVersion"`
		SerialNumber string       `json:"serialNumber"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Tools      tools      `json:"tools"`
		Component  component  `json:"component"`
		Properties []property `json:"properties"`
	}
	tools struct {
		Components []component `json:"components"`
	}
	component struct {
		Type       string      `json:"type"`
		Ref        string      `json:"bom-ref,omitempty"`
		Supplier   *supplier   `json:"supplier,omitempty"`
		Name       string      `json:"name"`
		Version    string      `json:"version,omitempty"`
		Hashes     []hash      `json:"hashes,omitempty"`
		Licenses   []license   `json:"licenses,omitempty"`
		PURL       string      `json:"purl,omitempty"`
		References []reference `json:"externalReferences,omitempty"`
		Properties []property  `json:"properties,omitempty"`
	}
	supplier struct {
		Name string `json:"name"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	license struct {
		License    *namedLicense `json:"license,omitempty"`
		Expression string        `json:"expression,omitempty"`
	}
	namedLicense struct {
		Name string `json:"name"`
	}
	reference struct {
		URL  string `json:"url"`
		Type string `json:"type"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn,omitempty"`
	}
)

// namespace starts the names of properties that are ours.
const namespace = "rules_slimrpm:"

// WriteCycloneDX writes the bill of materials of an image. Its serial number is a digest of all the rest.
func WriteCycloneDX(w io.Writer, t *rootfs.Tree) error {
	doc := document{
		Schema: "http://cyclonedx.org/schema/bom-1.5.schema.json", Format: "CycloneDX", SpecVersion: "1.5", Version: 1,
		Metadata: metadata{
			Tools:     tools{[]component{{Type: "application", Name: "rules_slimrpm"}}},
			Component: component{Type: "container", Ref: t.Label, Name: t.Label},
		},
		Components: []component{},
	}
	for _, p := range []property{{"arch", t.Arch}, {"release", t.Release}, {"base_image", t.Image}} {
		if p.Value != "" {
			doc.Metadata.Properties = append(doc.Metadata.Properties, property{namespace + p.Name, p.Value})
		}
	}
	image := dependency{Ref: t.Label}
	if s := readSystem(t); s.id != "" {
		doc.Components = append(doc.Components, component{Type: "operating-system", Ref: "os:" + s.id, Name: s.id, Version: s.version})
		image.DependsOn = append(image.DependsOn, "os:"+s.id)
	}
	items := Items(t)
	for i := range items {
		c := items[i].component()
		doc.Components = append(doc.Components, c)
		image.DependsOn = append(image.DependsOn, c.Ref)
	}
	doc.Dependencies = []dependency{image}
	doc = pkgindex.EscapeBytes(doc)
	text, err := encode(&doc)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // RFC 9562: version 8, made as the maker likes
	doc.SerialNumber = fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
	if text, err = encode(&doc); err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

func encode(doc *document) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(doc)
	return buf.Bytes(), err
}

func (x *Item) component() component {
	c := component{Type: "library", Ref: x.PURL, Name: x.Name, Version: x.Version, PURL: x.PURL}
	if x.Vendor != "" {
		c.Supplier = &supplier{x.Vendor}
	}
	if sum, ok := strings.CutPrefix(x.Digest, "sha256:"); ok {
		c.Hashes = []hash{{"SHA-256", sum}}
	}
	switch {
	case x.License == "":
	case x.Origin == Content:
		c.Licenses = []license{{Expression: x.License}}
	default: // what packages say is often no SPDX expression
		c.Licenses = []license{{License: &namedLicense{x.License}}}
	}
	if isWebsite(x.URL) {
		c.References = []reference{{x.URL, "website"}}
	}
	add := func(name, value string) {
		if value != "" {
			c.Properties = append(c.Properties, property{namespace + name, value})
		}
	}
	add("origin", string(x.Origin))
	if x.Origin == Content {
		c.Type, c.Ref = "application", x.ID // two contents may be of one package URL
		add("label", x.ID)
	} else {
		add("nevra", x.ID)
	}
	add("source_rpm", x.SourceRPM)
	add("layer", strconv.Itoa(x.Layer))
	add("files", fmt.Sprintf("%d of %d", x.Files, x.Listed))
	add("size_bytes", strconv.FormatInt(x.SizeBytes, 10))
	if strings.HasPrefix(x.Digest, "h1:") {
		add("digest", x.Digest)
	}
	for _, compiler := range x.BuiltWith {
		add("built_with", compiler)
	}
	for _, path := range x.Paths {
		add("path", path)
	}
	return c
}
