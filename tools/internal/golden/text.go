package golden

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxLine bounds a line of a text, two paths of Linux and some words.
const maxLine = 16 << 10

// head is the first line; it ends with the command that makes the text again.
const head = "# Made by ./bazelw run "

// Write writes the text of a list. update is the label of the target that makes it again.
//
//	variant glibc debrpm amd64
//	image 20 MiB 2246 paths
//	package libc6 2.36-9+deb12u10 x86_64 12899328
//	package debrpm-filesystem 12-0 noarch 0 base
//
//	[libc6]
//	dir 0755 0:0 /etc/ld.so.conf.d
//	file 0644 0:0 44 0b71a2c7a7ef0d2f /etc/ld.so.conf.d/libc.conf
//	symlink 0777 0:0 /lib64/ld-linux-x86-64.so.2 -> /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
//	files 0644 0:0 49 147312 9d1f2b8c33a1e0c4 /usr/share/zoneinfo/Africa
//
//	[//variants/golang-1.27:sdk]
//	tree - - 4001 61873221 5c0a71d0bd1ff3a8 /usr/local/go/src/cmd
func (l *List) Write(w io.Writer, update string) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%s%s; do not edit.\n", head, update)
	fmt.Fprintf(out, "variant %s %s %s\nimage %d MiB %d paths\n", l.Variant, l.Release, l.Arch, l.MiB, l.Paths)
	for _, p := range l.Packages {
		fmt.Fprintf(out, "package %s %s %s %d%s\n", p.Name, p.Version, p.Arch, p.Bytes, p.marks())
	}
	section := ""
	for _, e := range l.Entries {
		if e.Section != section {
			section = e.Section
			fmt.Fprintf(out, "\n[%s]\n", section)
		}
		fmt.Fprintln(out, e)
	}
	return out.Flush()
}

func (p Package) marks() string {
	marks := ""
	for _, m := range []struct {
		set  bool
		name string
	}{{p.Partial, " partial"}, {p.Provided, " provided"}, {p.Base, " base"}} {
		if m.set {
			marks += m.name
		}
	}
	return marks
}

// String is the line of an entry.
func (e Entry) String() string {
	digest := e.Digest
	if digest == "" {
		digest = "-"
	}
	switch e.Kind {
	case "gone":
		return "gone " + word(e.Path)
	case "file":
		caps := ""
		if e.Caps != "" {
			caps = " caps " + word(e.Caps)
		}
		return fmt.Sprintf("file %s %s %s %s %s%s", e.Mode, e.Owner, e.said(), digest, word(e.Path), caps)
	case "files", "symlinks", "tree":
		return fmt.Sprintf("%s %s %s %d %d %s %s", e.Kind, e.Mode, e.Owner, e.Count, e.Bytes, digest, word(e.Path))
	}
	if e.Target != "" {
		return fmt.Sprintf("%s %s %s %s -> %s", e.Kind, e.Mode, e.Owner, word(e.Path), word(e.Target))
	}
	return fmt.Sprintf("%s %s %s %s", e.Kind, e.Mode, e.Owner, word(e.Path))
}

// said is the size, as the text has it.
func (e Entry) said() string {
	if e.Bytes == unsaid {
		return "-"
	}
	return fmt.Sprint(e.Bytes)
}

// word quotes what would not be one word of a line.
func word(s string) string {
	for _, r := range s {
		if r <= ' ' || r == '"' || r == 0x7f || r == '\uFFFD' {
			return strconv.Quote(s)
		}
	}
	return s
}

// Read reads a text that Write made. name is used in errors.
func Read(r io.Reader, name string) (*List, error) {
	l := &List{}
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	section, lines := "", 0
	for scanner.Scan() {
		lines++
		line := scanner.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if s, ok := strings.CutPrefix(line, "["); ok && strings.HasSuffix(s, "]") {
			section = strings.TrimSuffix(s, "]")
			continue
		}
		if err := l.read(section, line); err != nil {
			return nil, fmt.Errorf("reading %s: line %d: %w", name, lines, err)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if l.Variant == "" {
		return nil, fmt.Errorf("reading %s: it has no line \"variant\"", name)
	}
	return l, nil
}

func (l *List) read(section, line string) error {
	words, err := split(line)
	if err != nil {
		return err
	}
	if section != "" {
		e, err := readEntry(words)
		e.Section = section
		l.Entries = append(l.Entries, e)
		return err
	}
	var numbers numbers
	switch {
	case words[0] == "variant" && len(words) == 4:
		l.Variant, l.Release, l.Arch = words[1], words[2], words[3]
	case words[0] == "image" && len(words) == 5:
		l.MiB, l.Paths = numbers.get(words[1]), int(numbers.get(words[3]))
	case words[0] == "package" && len(words) >= 5:
		p := Package{Name: words[1], Version: words[2], Arch: words[3], Bytes: numbers.get(words[4])}
		for _, mark := range words[5:] {
			switch mark {
			case "partial":
				p.Partial = true
			case "provided":
				p.Provided = true
			case "base":
				p.Base = true
			default:
				return fmt.Errorf("mark %q of a package", mark)
			}
		}
		l.Packages = append(l.Packages, p)
	default:
		return fmt.Errorf("%q is not understood", line)
	}
	return numbers.err
}

func readEntry(words []string) (Entry, error) {
	var numbers numbers
	e := Entry{Kind: words[0]}
	n := len(words)
	if e.Kind == "gone" && n == 2 {
		e.Path = words[1]
		return e, nil
	}
	if n < 4 {
		return e, fmt.Errorf("%q is not understood", strings.Join(words, " "))
	}
	e.Mode, e.Owner = words[1], words[2]
	switch {
	case e.Kind == "file" && (n == 6 || n == 8 && words[6] == "caps"):
		e.Bytes, e.Digest, e.Path = unsaid, words[4], words[5]
		if words[3] != "-" {
			e.Bytes = numbers.get(words[3])
		}
		if n == 8 {
			e.Caps = words[7]
		}
	case (e.Kind == "files" || e.Kind == "symlinks" || e.Kind == "tree") && n == 7:
		e.Count, e.Bytes, e.Digest, e.Path = int(numbers.get(words[3])), numbers.get(words[4]), words[5], words[6]
	case n == 6 && words[4] == "->":
		e.Path, e.Target = words[3], words[5]
	case n == 4:
		e.Path = words[3]
	default:
		return e, fmt.Errorf("%q is not understood", strings.Join(words, " "))
	}
	if e.Digest == "-" {
		e.Digest = ""
	}
	return e, numbers.err
}

// split cuts a line into words, of which some are quoted. There is at least one.
func split(line string) ([]string, error) {
	var words []string
	for rest := strings.TrimLeft(line, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		if rest[0] != '"' {
			w, tail, _ := strings.Cut(rest, " ")
			words, rest = append(words, w), tail
			continue
		}
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return nil, fmt.Errorf("a quote of %q does not end", line)
		}
		w, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, fmt.Errorf("%s is no quoted word", quoted)
		}
		words, rest = append(words, w), rest[len(quoted):]
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("a line of spaces")
	}
	return words, nil
}

// numbers reads numbers, and keeps the first error.
type numbers struct{ err error }

func (n *numbers) get(s string) int64 {
	v, err := strconv.ParseInt(s, 10, 64)
	if (err != nil || v < 0) && n.err == nil {
		n.err = fmt.Errorf("%q is no number", s)
	}
	return v
}
