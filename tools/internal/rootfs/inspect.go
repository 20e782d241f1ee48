package rootfs

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/elfdeps"
)

// maxShebang is BINPRM_BUF_SIZE of Linux: what the kernel looks at for "#!".
const maxShebang = 256

// Inspect fills in the ELF facts and the interpreter of a regular file that no rpmextract has seen, from its contents.
func (e *Entry) Inspect(r io.ReaderAt) error {
	elf, err := elfdeps.Read(r, e.SizeBytes)
	if err != nil && !errors.Is(err, elfdeps.ErrMalformed) {
		return err
	}
	if err == nil {
		e.ELF = elf
	}
	head := make([]byte, min(e.SizeBytes, maxShebang))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return err
	}
	if line, ok := bytes.CutPrefix(head, []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		e.Interp, e.InterpArg, _ = strings.Cut(strings.TrimSpace(string(line)), " ")
		e.InterpArg = strings.TrimSpace(e.InterpArg)
	}
	return nil
}
