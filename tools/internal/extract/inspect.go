package extract

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/elfdeps"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// maxInterp is how much of a script's first line Linux reads (BINPRM_BUF_SIZE).
const maxInterp = 256

// inspect adds what the index tells about a file's content: ELF facts, interpreter of a script, text of loader configuration.
// It runs after the content is in the tar, whose bytes ELF facts are read from.
func (u *unpacker) inspect(f *rpm.File) error {
	switch {
	case bytes.HasPrefix(u.head, []byte("\x7fELF")):
		content, err := u.tar.section(f.Offset, f.SizeBytes)
		if err != nil {
			return err
		}
		if f.ELF, err = elfdeps.Read(content, f.SizeBytes); err != nil {
			return fmt.Errorf("%q: %w", f.Path, err)
		}
	case bytes.HasPrefix(u.head, []byte("#!")):
		f.Interp, f.InterpArg = interpreter(u.head)
	}
	if pkgindex.KeepsText(f.Path, f.SizeBytes) {
		f.Text = string(u.head)
	}
	return nil
}

// interpreter splits a "#!" line like Linux: the first word, and all the rest as one argument.
func interpreter(head []byte) (program, arg string) {
	line := string(head[2:min(len(head), maxInterp)])
	line, _, _ = strings.Cut(line, "\n")
	line, _, _ = strings.Cut(line, "\x00")
	line = strings.Trim(line, " \t\r")
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		return line[:i], strings.Trim(line[i:], " \t")
	}
	return line, ""
}
