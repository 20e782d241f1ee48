package scriptlet

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/mikelolasagasti/xz"
)

// dirHeader starts a menu of manuals where no package ships one.
const dirHeader = "This is the file .../info/dir: the menu of all Info manuals.\n\x1f\nFile: dir,\tNode: Top\n\n* Menu:\n"

// maxManual bounds how much of a manual is decompressed; entries for the menu stand in its first lines.
const maxManual = 64 << 10

// installInfo is install-info: it adds the menu entries of a manual to the file dir, or takes them out.
func installInfo(c *call) int {
	o, args := c.parse("f:D:i:e:s:a:", map[string]byte{"delete": 'd', "remove": 'd', "dir-file": 'f', "info-dir": 'D', "info-file": 'i', "calign": 'a', "align": 'a', "quiet": 'q', "silent": 'q',
		"keep-old": 'k', "entry": 'e', "section": 's'})
	at := o.value('f')
	if o.has('D') {
		at = strings.TrimRight(o.value('D'), "/") + "/dir"
	}
	manual := o.value('i')
	if manual == "" && len(args) > 0 {
		manual, args = args[0], args[1:]
	}
	if at == "" && len(args) > 0 {
		at, args = args[0], args[1:]
	}
	if manual == "" || at == "" || len(args) > 0 {
		return c.errorf("the manual or the menu is missing")
	}
	sections, entries, status := c.menuEntries(manual)
	if o.has('e') {
		entries, status = o.values['e'], 0 // the command line says what the manual would
		if len(sections) == 0 {
			sections = []string{"Miscellaneous"}
		}
	}
	if o.has('s') {
		sections = o.values['s']
	}
	if status != 0 {
		return status
	}
	menu := dirHeader
	data, err := c.m.read(c.path(at))
	if err == nil {
		menu = string(data)
	}
	if o.has('d') {
		menu = removeEntries(menu, entries)
	} else {
		for _, s := range sections {
			menu = addEntries(menu, s, entries)
		}
	}
	if err == nil && menu == string(data) {
		return 0
	}
	if err := c.m.replace(c.path(at), []byte(menu), 0o644); err != nil {
		return c.errorf("%s: %v", at, err)
	}
	return 0
}

// menuEntries reads the sections and entries that a manual states.
func (c *call) menuEntries(manual string) (sections, entries []string, status int) {
	var data []byte
	var err error
	for _, suffix := range []string{"", ".gz", ".xz", ".bz2"} {
		if data, err = c.m.read(c.path(manual + suffix)); err == nil {
			manual += suffix
			break
		}
	}
	if err != nil {
		return nil, nil, c.errorf("%v for %s", err, manual)
	}
	var r io.Reader = bytes.NewReader(data)
	switch path.Ext(manual) {
	case ".gz":
		r, err = gzip.NewReader(r)
	case ".bz2":
		r = bzip2.NewReader(r)
	case ".xz":
		r, err = xz.NewReader(r, maxManual<<10)
	}
	if err != nil {
		return nil, nil, c.errorf("%s: %v", manual, err)
	}
	text, _ := io.ReadAll(io.LimitReader(r, maxManual)) // what was read before an error counts
	c.m.step(len(text) >> 6)
	in := false
	for _, line := range splitLines(text) {
		switch {
		case strings.HasPrefix(line, "START-INFO-DIR-ENTRY"):
			in = true
		case strings.HasPrefix(line, "END-INFO-DIR-ENTRY"):
			in = false
		case strings.HasPrefix(line, "INFO-DIR-SECTION "):
			sections = append(sections, strings.TrimSpace(line[len("INFO-DIR-SECTION "):]))
		case in && strings.HasPrefix(line, "* "):
			entries = append(entries, line)
		case in && strings.TrimSpace(line) != "" && len(entries) > 0:
			entries[len(entries)-1] += "\n" + line
		}
	}
	if len(entries) == 0 {
		return sections, nil, c.errorf("warning: no info dir entry in '%s'", manual)
	}
	if len(sections) == 0 {
		sections = []string{"Miscellaneous"}
	}
	return sections, entries, 0
}

func entryName(e string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(e, "* "), ":")
	return name
}

// addEntries puts entries into a section, by name.
func addEntries(menu, section string, entries []string) string {
	menu = removeEntries(menu, entries)
	lines := strings.Split(strings.TrimRight(menu, "\n"), "\n")
	start := slices.Index(lines, section)
	if start < 0 {
		lines = append(lines, "", section)
		start = len(lines) - 1
	}
	for _, e := range entries {
		at := start + 1
		for at < len(lines) && strings.TrimSpace(lines[at]) != "" {
			if strings.HasPrefix(lines[at], "* ") && entryName(lines[at]) > entryName(e) {
				break
			}
			at++
		}
		lines = slices.Insert(lines, at, strings.Split(e, "\n")...)
	}
	return strings.Join(lines, "\n") + "\n"
}

func removeEntries(menu string, entries []string) string {
	names := map[string]bool{}
	for _, e := range entries {
		names[entryName(e)] = true
	}
	var out []string
	skipping := false
	for _, line := range strings.Split(menu, "\n") {
		if strings.HasPrefix(line, "* ") {
			skipping = names[entryName(line)] && !strings.HasPrefix(line, "* Menu")
		} else if !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "\t") {
			skipping = false
		}
		if !skipping {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}
