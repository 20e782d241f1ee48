package storage

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

// ext4Features are those that Linux 5.4 mounts. What e2fsprogs has made the default since then (orphan_file) is not among them.
var ext4Features = strings.Fields(`has_journal ext_attr resize_inode dir_index filetype extent 64bit flex_bg sparse_super large_file huge_file dir_nlink
	extra_isize metadata_csum metadata_csum_seed needs_recovery`)

// Ext4 makes, mounts, fills, grows, breaks and repairs an ext4 file system.
func Ext4(t *testing.T, image *smoke.Image) {
	v := newVolume(t, image, "ext4", 64*mebi)
	v.probe("")
	v.sizes(64 * mebi)
	v.succeed("/usr/sbin/mkfs.ext4", "-F", "-m0", v.device)
	v.probe("ext4")
	features := field(t, v.match("has_journal", "/usr/sbin/dumpe2fs", "-h", v.device), "Filesystem features")
	for _, feature := range strings.Fields(features) {
		if !slices.Contains(ext4Features, feature) {
			t.Errorf("mkfs.ext4 makes file systems with %s, which Linux 5.4 does not mount", feature)
		}
	}
	t.Logf("ext4: %s", features)
	v.succeed("/usr/sbin/fsck.ext4", "-a", v.device)
	v.succeed("/usr/bin/mount", "-t", "ext4", "-o", "defaults", v.device, mountpoint)
	before := v.mounted(unix.EXT4_SUPER_MAGIC)
	v.write("file", "content")

	v.grow(128 * mebi)
	v.sizes(128 * mebi)
	v.resize2fs()
	if after := v.mounted(unix.EXT4_SUPER_MAGIC); after < before*19/10 {
		t.Errorf("resize2fs made the file system %d bytes large, from %d", after, before)
	}
	v.read("file", "content")
	v.succeed("/usr/bin/umount", mountpoint)
	v.mounted(unix.TMPFS_MAGIC)
	v.match("(?m)^Filesystem state: +clean$", "/usr/sbin/dumpe2fs", "-h", v.device)
	v.succeed("/usr/sbin/fsck.ext4", "-f", "-n", v.device)

	v.erase(1024, 1024) // the superblock
	v.probe("")
	v.image.Fail(t, v.process("/usr/bin/mount", "-t", "ext4", v.device, mountpoint), "wrong fs type|bad superblock")
	v.exits(1, "/usr/sbin/fsck.ext4", "-f", "-y", v.device) // errors corrected
	v.succeed("/usr/bin/mount", "-o", "ro", v.device, mountpoint)
	v.mounted(unix.EXT4_SUPER_MAGIC)
	v.read("file", "content")
	v.succeed("/usr/bin/umount", mountpoint)
}

// resize2fs grows the mounted file system, or unmounts it for that.
func (v *volume) resize2fs() {
	v.t.Helper()
	if v.growsMounted() {
		v.match("on-line resizing required", "/usr/sbin/resize2fs", v.device)
		return
	}
	v.t.Log("resize2fs: on the unmounted volume; on a mounted one it needs CAP_SYS_RESOURCE, which this machine does not give, and no emulation")
	v.succeed("/usr/bin/umount", mountpoint)
	v.succeed("/usr/sbin/fsck.ext4", "-f", "-y", v.device)
	v.match("is now", "/usr/sbin/resize2fs", v.device)
	v.succeed("/usr/bin/mount", v.device, mountpoint)
}

// Fsck calls the makers and checkers of a type by the programs that start them, on a file.
func Fsck(t *testing.T, image *smoke.Image) {
	image.StartsPrograms(t)
	folder := t.TempDir()
	process := func(args ...string) imagerun.Process {
		return imagerun.Process{Args: args, Mounts: []imagerun.Mount{imagerun.BindWritable(folder, "/volumes")}}
	}
	const file = "/volumes/file"
	for _, kind := range []string{"ext3", "ext4"} {
		image.Match(t, process("/usr/sbin/mkfs", "-t", kind, "-F", file, "16M"), "Writing inode tables")
		image.Match(t, process("/usr/sbin/blkid", "-p", "-s", "TYPE", "-o", "value", file), "^"+kind+"\n$")
		image.Match(t, process("/usr/sbin/fsck", "-t", kind, "-a", file), "clean")
	}
	if err := os.Truncate(filepath.Join(folder, "file"), 0); err != nil {
		t.Fatal(err)
	}
	image.Fail(t, process("/usr/sbin/fsck", "-t", "ext4", "-a", file), "Bad magic number|short read|superblock could not be read")
}

// Features of the superblock of XFS version 5, by the numbers of the on-disk format.
const (
	xfsReadOnlyFeatures = 212
	xfsFeatures         = 216
	// What Linux 5.4 mounts: free inode tree, reverse mapping, reference links; types in directories, sparse inodes, own UUID.
	xfsReadOnlyFeatures54 = 1 | 2 | 4
	xfsFeatures54         = 1 | 2 | 4
)

// XFS makes, mounts, fills and grows an XFS file system, and one for the kernels of older nodes.
func XFS(t *testing.T, image *smoke.Image) {
	v := newVolume(t, image, "xfs", 320*mebi)
	v.probe("")
	v.match("(?m)^meta-data=", "/usr/sbin/mkfs.xfs", "-f", v.device)
	v.probe("xfs")
	if v.kernel54() {
		t.Error("mkfs.xfs makes file systems for Linux 5.4 by default; README.md says that it does not")
	}
	// The same options are in README.md.
	v.match("(?m)bigtime=0 inobtcount=0", "/usr/sbin/mkfs.xfs", "-f", "-m", "bigtime=0,inobtcount=0", v.device)
	if !v.kernel54() {
		t.Error("mkfs.xfs -m bigtime=0,inobtcount=0 makes a file system that Linux 5.4 does not mount")
	}
	v.succeed("/usr/bin/mount", "-t", "xfs", "-o", "defaults", v.device, mountpoint)
	before := v.mounted(unix.XFS_SUPER_MAGIC)
	v.write("file", "content")

	v.grow(400 * mebi)
	v.sizes(400 * mebi)
	if image.Emulated() {
		t.Log("xfs_io, xfs_growfs are not run under emulation: qemu-user does not know the control calls of XFS")
	} else {
		v.match("(?m)^geom.datablocks = 81920$", "/usr/sbin/xfs_io", "-r", "-c", "statfs", mountpoint)
		v.match("data blocks changed from", "/usr/sbin/xfs_growfs", mountpoint)
		if after := v.mounted(unix.XFS_SUPER_MAGIC); after < before*6/5 {
			t.Errorf("xfs_growfs made the file system %d bytes large, from %d", after, before)
		}
	}
	v.read("file", "content")
	v.succeed("/usr/bin/umount", mountpoint)
	v.mounted(unix.TMPFS_MAGIC)
}

// kernel54 tells whether all features of the superblock are those of Linux 5.4.
func (v *volume) kernel54() bool {
	v.t.Helper()
	if v.uint32At(binary.BigEndian, 0) != unix.XFS_SUPER_MAGIC {
		v.t.Fatal("there is no XFS on the volume")
	}
	readOnly, all := v.uint32At(binary.BigEndian, xfsReadOnlyFeatures), v.uint32At(binary.BigEndian, xfsFeatures)
	v.t.Logf("xfs: read-only features %#x, features %#x", readOnly, all)
	return readOnly&^uint32(xfsReadOnlyFeatures54) == 0 && all&^uint32(xfsFeatures54) == 0
}

// erase writes zeros, past the caches of the device.
func (v *volume) erase(offset, bytes int64) {
	v.t.Helper()
	if _, err := v.loop.WriteAt(make([]byte, bytes), offset); err != nil {
		v.t.Fatal(err)
	}
	if err := v.loop.Sync(); err != nil {
		v.t.Fatal(err)
	}
}

// field is a value of dumpe2fs.
func field(t *testing.T, out, name string) string {
	t.Helper()
	for line := range strings.Lines(out) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no %q in\n%s", name, out)
	return ""
}
