package rpmspec

import (
	"regexp"
	"sort"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/debian"
)

// unknownLicense is the tag of a package whose copyright file no program can read; the file itself is in the package.
const unknownLicense = "LicenseRef-Debian-copyright"

// spdxNames maps the short names of Debian's machine-readable copyright format, which differ from SPDX.
var spdxNames = map[string]string{
	"gpl-1": "GPL-1.0-only", "gpl-1+": "GPL-1.0-or-later", "gpl-2": "GPL-2.0-only", "gpl-2+": "GPL-2.0-or-later",
	"gpl-3": "GPL-3.0-only", "gpl-3+": "GPL-3.0-or-later", "lgpl-2": "LGPL-2.0-only", "lgpl-2+": "LGPL-2.0-or-later",
	"lgpl-2.0": "LGPL-2.0-only", "lgpl-2.0+": "LGPL-2.0-or-later", "gpl-2.0+": "GPL-2.0-or-later", "gpl-3.0+": "GPL-3.0-or-later",
	"lgpl-2.1": "LGPL-2.1-only", "lgpl-2.1+": "LGPL-2.1-or-later", "lgpl-3": "LGPL-3.0-only", "lgpl-3+": "LGPL-3.0-or-later",
	"agpl-3": "AGPL-3.0-only", "agpl-3+": "AGPL-3.0-or-later", "gfdl-1.2+": "GFDL-1.2-or-later", "gfdl-1.3+": "GFDL-1.3-or-later",
	"gfdl-1.3": "GFDL-1.3-only", "bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause", "bsd-4-clause": "BSD-4-Clause",
	"expat": "MIT", "mit": "MIT", "isc": "ISC", "apache-2.0": "Apache-2.0", "apache-2": "Apache-2.0", "artistic": "Artistic-1.0-Perl",
	"artistic-2.0": "Artistic-2.0", "zlib": "Zlib", "cc0-1.0": "CC0-1.0", "openssl": "OpenSSL", "mpl-2.0": "MPL-2.0",
	"mpl-1.1": "MPL-1.1", "public-domain": "LicenseRef-Debian-public-domain", "0bsd": "0BSD", "x11": "X11", "bsl-1.0": "BSL-1.0",
	"unlicense": "Unlicense", "python-2.0": "Python-2.0", "psf-2": "PSF-2.0", "ftl": "FTL", "w3c": "W3C",
}

var (
	licenseJoin = regexp.MustCompile(`\s+(?:and|or|with)\s+|[,|/]|\s+`)
	licenseRef  = regexp.MustCompile(`[^A-Za-z0-9.-]+`)
)

// License makes an SPDX expression of a copyright file: all licences named by its Files paragraphs, joined by AND. That is the
// careful reading of "or", too: nobody is told that a choice is made.
func License(copyright string) string {
	if !strings.HasPrefix(strings.TrimSpace(copyright), "Format") {
		return unknownLicense
	}
	set := map[string]bool{}
	err := debian.ReadParagraphs(strings.NewReader(copyright), nil, func(p debian.Paragraph) error {
		if p["Files"] == "" {
			return nil
		}
		first, _, _ := strings.Cut(p["License"], "\n")
		for _, name := range splitLicense(first) {
			set[name] = true
		}
		return nil
	})
	if err != nil || len(set) == 0 {
		return unknownLicense
	}
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	sort.Strings(names)
	return strings.Join(names, " AND ")
}

func splitLicense(text string) []string {
	var out []string
	lower := strings.ToLower(text)
	lower = regexp.MustCompile(`\s+with\s+.*?(exception|$)`).ReplaceAllString(lower, "")
	for _, word := range licenseJoin.Split(lower, -1) {
		if word == "" || word == "and" || word == "or" || word == "exception" {
			continue
		}
		if spdx, ok := spdxNames[word]; ok {
			out = append(out, spdx)
		} else if ref := strings.Trim(licenseRef.ReplaceAllString(word, "-"), "-."); ref != "" {
			out = append(out, "LicenseRef-Debian-"+ref)
		}
	}
	return out
}
