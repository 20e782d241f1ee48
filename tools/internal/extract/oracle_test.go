package extract_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cpio"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// corpus returns the RPMs that are at hand: those of the shared data folder, and those of debrpm.
func corpus(t testing.TB) []string {
	t.Helper()
	shared := os.Getenv("SLIMRPM_SHARED_DATA")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	var files []string
	for _, dir := range []string{shared, os.Getenv("SLIMRPM_DEBRPM")} {
		if dir == "" {
			continue
		}
		filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".rpm" && !strings.HasSuffix(path, ".src.rpm") {
				files = append(files, path)
			}
			return nil
		})
	}
	if len(files) == 0 {
		t.Skip("no RPMs at hand (SLIMRPM_SHARED_DATA, SLIMRPM_DEBRPM): not checked against packages of others")
	}
	if testing.Short() {
		files = files[:min(len(files), 10)]
	}
	return files
}

// TestAgainstRpm compares index and tar of real packages with what rpm says of them and with what rpm2cpio unpacks.
func TestAgainstRpm(t *testing.T) {
	for _, tool := range []string{"rpm", "rpm2cpio"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s on this machine: not checked against rpm", tool)
		}
	}
	entries := 0
	for _, name := range corpus(t) {
		dir := t.TempDir()
		o := extract.Options{RPM: name, Payload: filepath.Join(dir, "payload.tar"), Index: filepath.Join(dir, "index.json"), Header: filepath.Join(dir, "header.bin")}
		if err := extract.Run(o); err != nil {
			t.Error(err)
			continue
		}
		x := readIndex(t, dir)
		compareTable(t, name, x)
		compareContents(t, name, x, o.Payload)
		entries += len(x.Files)
		os.Remove(o.Payload)
	}
	t.Logf("%d files compared", entries)
}

// compareTable compares the file table and the scriptlets' programs with a query of rpm.
func compareTable(t *testing.T, name string, x *pkgindex.Index) {
	t.Helper()
	format := `%{NEVRA}|%{SOURCERPM}|%{LICENSE}|%{BUILDTIME}|%{LONGSIZE}\n[%{FILENAMES}|%{FILEMODES:octal}|%{FILEUSERNAME}|%{FILEGROUPNAME}|%{FILEMTIMES}|%{LONGFILESIZES}|%{FILELINKTOS}|%{FILEFLAGS}|%{FILECAPS}|%{FILELANGS}|color %{FILECOLORS}|%{FILERDEVS}\n]`
	out, err := exec.Command("rpm", "--nosignature", "--nodigest", "-qp", "--qf", format, name).Output()
	if err != nil {
		t.Errorf("%s: rpm -qp: %v", name, err)
		return
	}
	// rpm leaves empty values and "(none)" apart; the index does not.
	want := strings.NewReplacer("-0:", "-", "color (none)", "color 0", "(none)", "").Replace(string(out))
	var got strings.Builder
	fmt.Fprintf(&got, "%s|%s|%s|%d|%d\n", x.NEVRA, x.SourceRPM, x.License, x.BuildTime, x.InstalledBytes)
	wantLines := strings.Split(want, "\n")
	for i, f := range x.Files {
		size := f.SizeBytes
		if isDevice := f.Type == pkgindex.TypeChar || f.Type == pkgindex.TypeBlock; !isDevice && i+1 < len(wantLines) {
			// some builders write numbers for files that are no devices
			wantLines[i+1] = wantLines[i+1][:strings.LastIndexByte(wantLines[i+1], '|')+1] + "0"
		}
		if f.Type != pkgindex.TypeFile && i+1 < len(wantLines) {
			if fields := strings.Split(wantLines[i+1], "|"); len(fields) > 5 {
				size, _ = strconv.ParseInt(fields[5], 10, 64) // directories have sizes in the header; ours have none
			}
		}
		kind := map[string]uint32{pkgindex.TypeFile: 0o100000, pkgindex.TypeDir: 0o040000, pkgindex.TypeSymlink: 0o120000, pkgindex.TypeChar: 0o020000, pkgindex.TypeBlock: 0o060000, pkgindex.TypeFIFO: 0o010000}[f.Type]
		fmt.Fprintf(&got, "%s|%o|%s|%s|%d|%d|%s|%d|%s|%s|color %d|%d\n", f.Path, kind|f.Mode, f.User, f.Group, f.ModTime, size, f.LinkTarget,
			f.Flags, f.Caps, strings.Join(f.Langs, "|"), f.Color, f.RdevMajor<<8|f.RdevMinor)
	}
	gotLines := strings.Split(got.String(), "\n")
	if len(gotLines) != len(wantLines) {
		t.Errorf("%s: %d lines, rpm gives %d", name, len(gotLines), len(wantLines))
		return
	}
	for i := range gotLines {
		if gotLines[i] != wantLines[i] {
			t.Errorf("%s:\n got %s\nrpm  %s", name, gotLines[i], wantLines[i])
		}
	}
}

// compareContents compares the bytes of the tar at the offsets of the index with the archive that rpm2cpio writes.
func compareContents(t *testing.T, name string, x *pkgindex.Index, payload string) {
	t.Helper()
	// It fails, silently and with all of the output, when the header gives no or another size of the archive. A cut archive
	// shows below.
	archive, err := exec.Command("rpm2cpio", name).Output()
	if err != nil && len(archive) == 0 {
		t.Errorf("%s: rpm2cpio: %v", name, err)
		return
	}
	tarball, err := os.ReadFile(payload)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]*pkgindex.File{}
	for i := range x.Files {
		files[x.Files[i].Path] = &x.Files[i]
	}
	r := cpio.NewReader(bytes.NewReader(archive), nil)
	for {
		e, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		f := files["/"+strings.TrimPrefix(strings.TrimPrefix(e.Name, "."), "/")]
		switch {
		case f == nil:
			t.Errorf("%s: %s is not in the index", name, e.Name)
		case f.Type != pkgindex.TypeFile || f.HardLinks != 0 && len(content) == 0:
		case int64(len(content)) != f.SizeBytes || !bytes.Equal(content, tarball[f.Offset:f.Offset+f.SizeBytes]):
			t.Errorf("%s: %s differs from rpm2cpio (%d bytes, %s)", name, e.Name, len(content), hex.EncodeToString(content[:min(len(content), 16)]))
		}
	}
}
