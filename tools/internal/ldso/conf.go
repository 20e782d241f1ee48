package ldso

import (
	"path"
	"slices"
	"strings"
)

// Limits of ld.so.conf and what it includes.
const (
	maxIncludes = 256
	maxConfDirs = 4096
)

// ConfFile is one file of the loader's configuration.
type ConfFile struct {
	Path string
	Text string
	Ref  any // for the caller
}

// ConfDir is a directory of the search path, and the files that put it there: ld.so.conf first, then the included one.
type ConfDir struct {
	Dir   string
	Files []*ConfFile
}

// Conf reads the file name and what it includes, as ldconfig(8) does. files are all configuration files there are.
func Conf(name string, files []*ConfFile) []ConfDir {
	c := &conf{files: slices.Clone(files)}
	slices.SortFunc(c.files, func(a, b *ConfFile) int { return strings.Compare(a.Path, b.Path) })
	c.read(name, nil)
	return c.dirs
}

type conf struct {
	files    []*ConfFile
	includes int
	dirs     []ConfDir
}

func (c *conf) read(pattern string, by []*ConfFile) {
	for _, f := range c.files {
		if ok, err := path.Match(pattern, f.Path); err != nil || !ok || slices.Contains(by, f) {
			continue
		}
		if c.includes++; c.includes > maxIncludes {
			return
		}
		c.parse(f, append(slices.Clip(by), f))
	}
}

func (c *conf) parse(f *ConfFile, chain []*ConfFile) {
	for line := range strings.Lines(f.Text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0] == "hwcap":
			continue
		case fields[0] == "include":
			for _, pattern := range fields[1:] {
				if !strings.HasPrefix(pattern, "/") {
					pattern = path.Join(path.Dir(f.Path), pattern)
				}
				c.read(pattern, chain)
			}
			continue
		}
		for _, dir := range strings.FieldsFunc(line, isSeparator) {
			dir, _, _ = strings.Cut(dir, "=") // "=TYPE" of libc4 times
			dir = path.Clean(dir)
			known := slices.ContainsFunc(c.dirs, func(d ConfDir) bool { return d.Dir == dir })
			if strings.HasPrefix(dir, "/") && !known && len(c.dirs) < maxConfDirs {
				c.dirs = append(c.dirs, ConfDir{dir, chain})
			}
		}
	}
}

// isSeparator: ldconfig(8), "a list of directories, separated by colons, spaces, tabs, newlines, or commas".
func isSeparator(r rune) bool { return strings.ContainsRune(": \t\r\n,", r) }
