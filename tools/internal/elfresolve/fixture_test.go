package elfresolve

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/elftest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// A world is made of packages, and packages of files, in memory.

func pack(name string, files ...pkgindex.File) *pkgindex.Index {
	return &pkgindex.Index{Schema: pkgindex.Schema, Name: name, NEVRA: name + "-1-1.x86_64", Version: "1", Release: "1",
		Arch: "x86_64", Files: files}
}

func reg(path string) pkgindex.File {
	return pkgindex.File{Path: path, Type: pkgindex.TypeFile, Mode: 0o644}
}

func flagged(flags uint32, f pkgindex.File) pkgindex.File { f.Flags |= flags; return f }

func text(path, contents string) pkgindex.File { f := reg(path); f.Text = contents; return f }

func dir(path string) pkgindex.File {
	return pkgindex.File{Path: path, Type: pkgindex.TypeDir, Mode: 0o755}
}

func link(path, target string) pkgindex.File {
	return pkgindex.File{Path: path, Type: pkgindex.TypeSymlink, LinkTarget: target}
}

func script(path, interp, arg string) pkgindex.File {
	return pkgindex.File{Path: path, Type: pkgindex.TypeFile, Mode: 0o755, Interp: interp, InterpArg: arg}
}

func elf(path string, f elftest.File) pkgindex.File {
	return pkgindex.File{Path: path, Type: pkgindex.TypeFile, Mode: 0o755, ELF: &f.ELF}
}

func exe(path string, needed ...string) pkgindex.File {
	return elf(path, elftest.Exec("x86_64", needed...))
}

func lib(path string, needed ...string) pkgindex.File {
	return elf(path, elftest.Lib("x86_64", rootfs.Base(path), needed...))
}

// runPath and friends change the ELF of a file.
func with(f pkgindex.File, change func(*pkgindex.ELF)) pkgindex.File {
	e := *f.ELF
	change(&e)
	f.ELF = &e
	return f
}

// filesystem has the links of a merged /usr; glibc the loader and the C library of an RPM distribution.
func filesystem() *pkgindex.Index {
	return pack("filesystem", dir("/usr"), dir("/usr/bin"), dir("/usr/lib64"), link("/bin", "usr/bin"), link("/sbin", "usr/sbin"),
		link("/lib", "usr/lib"), link("/lib64", "usr/lib64"))
}

func glibc() *pkgindex.Index {
	libc := with(lib("/lib64/libc.so.6", "ld-linux-x86-64.so.2"), func(e *pkgindex.ELF) { e.VerDef = []string{"GLIBC_2.2.5", "GLIBC_2.34"} })
	return pack("glibc", lib("/lib64/ld-linux-x86-64.so.2"), libc, text("/etc/ld.so.conf", "include ld.so.conf.d/*.conf\n"),
		flagged(pkgindex.FlagGhost, reg("/etc/ld.so.cache")))
}

func world(more ...*pkgindex.Index) []*pkgindex.Index {
	return append([]*pkgindex.Index{filesystem(), glibc()}, more...)
}

func binary(label, pkg string, files ...string) selection.Request {
	return selection.Request{Label: label, Kind: selection.KindBinary, Packages: []string{pkg}, Binaries: files}
}

func packages(label string, names ...string) selection.Request {
	return selection.Request{Label: label, Kind: selection.KindPackage, Packages: names}
}

func input(indexes []*pkgindex.Index, requests ...selection.Request) *Input {
	return &Input{Graph: &selection.Graph{Schema: selection.Schema}, Indexes: indexes,
		Spec: &selection.Spec{Schema: selection.Schema, Label: "//x:image", Release: "rel", Arch: "x86_64", Requests: requests}}
}

// summary is a selection as text: a package per line, with its files when it is partial.
func summary(s *selection.Selection) []string {
	var out []string
	for _, p := range s.Packages {
		line := p.Name
		if p.Partial {
			line += ": " + strings.Join(p.Files, " ")
		}
		out = append(out, line)
	}
	for _, c := range s.Cut {
		out = append(out, fmt.Sprintf("cut %s for %s: %s", c.Package, c.Need, c.Reason))
	}
	return out
}

func check(t *testing.T, in *Input, want ...string) *selection.Selection {
	t.Helper()
	got, err := Resolve(in)
	if err != nil {
		t.Fatalf("Resolve: %v\nhints: %q", err, cli.Hints(err))
	}
	if s := summary(got); !slices.Equal(s, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(s, "\n  "), strings.Join(want, "\n  "))
	}
	return got
}

// fails checks the whole text of an error and that the hints hold the words.
func fails(t *testing.T, in *Input, want string, hints ...string) {
	t.Helper()
	got, err := Resolve(in)
	if err == nil {
		t.Fatalf("Resolve: no error, selection:\n%s", strings.Join(summary(got), "\n"))
	}
	if err.Error() != want {
		t.Errorf("got error\n%v\nwant\n%s", err, want)
	}
	all := strings.Join(cli.Hints(err), "\n")
	for _, h := range hints {
		if !strings.Contains(all, h) {
			t.Errorf("hints %q lack %q", all, h)
		}
	}
}

// baseOf makes a base tree of packages, everything installed, without links applied to their paths.
func baseOf(indexes ...*pkgindex.Index) *rootfs.Tree {
	t := &rootfs.Tree{Schema: rootfs.Schema, Label: "//x:base", Arch: "x86_64", Layers: 1}
	links := map[string]string{"/lib64/": "/usr/lib64/", "/bin/": "/usr/bin/"}
	for _, x := range indexes {
		t.Packages = append(t.Packages, rootfs.Package{Name: x.Name, NEVRA: x.NEVRA, Arch: x.Arch})
		for _, f := range x.Files {
			if f.Ghost() {
				continue
			}
			e := &rootfs.Entry{Path: f.Path, Type: f.Type, Mode: f.Mode, Link: f.LinkTarget, ELF: f.ELF, Text: f.Text,
				Interp: f.Interp, Owners: []string{x.NEVRA}}
			for from, to := range links {
				if rest, ok := strings.CutPrefix(f.Path, from); ok {
					e.Path = to + rest
				}
			}
			t.Entries = append(t.Entries, e)
		}
	}
	rootfs.SortEntries(t.Entries)
	return t
}
