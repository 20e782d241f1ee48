// Package csi_test uses the image as drivers of block and file storage do.
package csi_test

import (
	"errors"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke/storage"
)

func TestExt4(t *testing.T) { storage.Ext4(t, smoke.Open(t)) }

func TestFsck(t *testing.T) { storage.Fsck(t, smoke.Open(t)) }

func TestXFS(t *testing.T) { storage.XFS(t, smoke.Open(t)) }

// TestShell: scripts of drivers, in which the tools of XFS that are scripts themselves look at a file system, and repair it.
func TestShell(t *testing.T) {
	image := smoke.Open(t)
	image.StartsPrograms(t)
	folder := t.TempDir()
	script := func(text string) imagerun.Process {
		return imagerun.Process{Args: []string{"/bin/sh", "-euc", text}, Cwd: "/volumes", Mounts: []imagerun.Mount{imagerun.BindWritable(folder, "/volumes")}}
	}
	image.Match(t, script(`truncate -s 320M file; mkfs.xfs -q -L label file; xfs_info file; xfs_admin -l file; xfs_db -r -c 'sb 0' -c 'p magicnum' file`),
		`(?s)^meta-data=file .*bsize=4096.*label = "label"\nmagicnum = 0x58465342\n$`)
	image.Match(t, script("xfs_repair -n file 2>&1"), "No modify flag set")
	image.Fail(t, script("dd if=/dev/zero of=file bs=512 count=1 conv=notrunc status=none; xfs_repair -n file 2>&1"), "bad primary superblock")
	image.Match(t, script("xfs_repair file 2>&1; xfs_repair -n file 2>&1; xfs_admin -l file"), `label = "label"\n$`)
	image.Match(t, script("truncate -s 16M swap; mkswap swap 2>/dev/null; blkid -p -o value -s TYPE swap; wipefs -a swap; blkid -p swap || echo nothing left"), "(?s)\nswap\n.*\nnothing left\n$")
	image.Match(t, script("findmnt -n -o TARGET /volumes; findmnt /nowhere || echo none"), "^/volumes\nnone\n$")
}

// TestNFS: a port mapper that answers, and a mount that finds its helper and then nothing that serves it.
func TestNFS(t *testing.T) {
	image, network := smoke.Open(t), smoke.NewNetwork(t)
	image.Match(t, imagerun.Process{Args: []string{"/usr/sbin/mount.nfs", "-V"}}, `^mount.nfs: \(linux nfs-utils \d`)
	image.Match(t, imagerun.Process{Args: []string{"/usr/sbin/mount.nfs4", "-V"}}, `^mount.nfs4: \(linux nfs-utils \d`)
	ask := imagerun.Process{Args: []string{"/usr/sbin/rpcinfo", "-p", "127.0.0.1"}, Network: network}
	image.Fail(t, ask, "Connection refused|Unable to receive|can't contact")
	image.Start(t, imagerun.Process{
		Args: []string{"/usr/sbin/rpcbind", "-f", "-w"}, Network: network, Mounts: []imagerun.Mount{imagerun.Tmpfs("/run")},
		Capabilities: []string{"CAP_SETUID", "CAP_SETGID"},
	}, 0, func() error {
		r, err := image.Image.Run(ask)
		if err == nil && r.Exit != 0 {
			err = errors.New(r.Output())
		}
		return err
	})
	image.Match(t, ask, `100000 +4 +tcp +111 +portmapper`)
	mount := imagerun.Process{
		Args: []string{"/usr/bin/mount", "-t", "nfs", "-o", "nolock,vers=4.2,retry=0,soft,timeo=10", "127.0.0.1:/export", "/mnt"}, Network: network,
		Capabilities: []string{"CAP_SYS_ADMIN"},
	}
	if image.Emulated() {
		mount.Args[0] = "/usr/sbin/mount.nfs" // which mount starts
		mount.Args = append(mount.Args[:1], "127.0.0.1:/export", "/mnt", "-o", "nolock,vers=4.2,retry=0,soft,timeo=10")
	}
	// The kernel asks in vain, or has no NFS.
	image.Fail(t, mount, "mount.nfs: (Connection refused|No such device|Protocol not supported)")
}
