package compose

import (
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/gconv"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// writeGconvCaches does what iconvconfig does in the scriptlet of a C library: a package lists the cache, as a ghost or as an empty
// file, and has the configuration beside it. A cache that a package ships is left alone.
func (c *composer) writeGconvCaches() error {
	for _, p := range c.own {
		for i := range p.Index.Files {
			f := &p.Index.Files[i]
			if rootfs.Base(f.Path) != gconv.FileName || f.Type != pkgindex.TypeFile || p.states[i] != rootfs.StateNormal || !f.Ghost() && f.SizeBytes > 0 {
				continue
			}
			at, err := c.fs.Follow(f.Path)
			if err != nil {
				return err
			}
			dir := rootfs.Dir(at)
			e, config := c.fs.Get(at), c.fs.Stat(dir+"/gconv-modules")
			if e != nil && e.SizeBytes > 0 || config == nil || config.Type != pkgindex.TypeFile {
				continue
			}
			data, err := gconv.Build(c.view(), dir)
			if err != nil {
				return err
			}
			if err := c.rewrite(at, data, &rootfs.Entry{Mode: 0o644}, "gconv"); err != nil {
				return err
			}
		}
	}
	return nil
}
