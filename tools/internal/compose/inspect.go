package compose

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// inspect fills in what is known of files of packages about one that the spec brings.
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
	if err := e.Inspect(r); err != nil {
		return fmt.Errorf("reading %s: %w", e.Content.Source, err)
	}
	return nil
}
