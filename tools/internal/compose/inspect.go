package compose

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/elfdeps"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// maxShebang is BINPRM_BUF_SIZE of Linux: what the kernel looks at for "#!".
const maxShebang = 256

// inspect fills in the ELF facts and the interpreter of a file that no rpmextract has seen.
func inspect(e *rootfs.Entry) error {
	var r io.ReaderAt = bytes.NewReader(e.Content.Data)
	if e.Content.Source != "" {
		f, err := os.Open(e.Content.Source)
		if err != nil {
			return err
		}
		defer f.Close()
		r = f
	}
	elf, err := elfdeps.Read(r, e.SizeBytes)
	if err != nil && !errors.Is(err, elfdeps.ErrMalformed) {
		return fmt.Errorf("reading %s: %w", e.Content.Source, err)
	}
	if err == nil {
		e.ELF = elf
	}
	head := make([]byte, min(e.SizeBytes, maxShebang))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return fmt.Errorf("reading %s: %w", e.Content.Source, err)
	}
	if line, ok := bytes.CutPrefix(head, []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		e.Interp, e.InterpArg, _ = strings.Cut(strings.TrimSpace(string(line)), " ")
		e.InterpArg = strings.TrimSpace(e.InterpArg)
	}
	return nil
}
