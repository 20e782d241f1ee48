// Package csi_ebs_test uses the image as a driver of block storage does.
package csi_ebs_test

import (
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke/storage"
)

func TestExt4(t *testing.T) { storage.Ext4(t, smoke.Open(t)) }

func TestFsck(t *testing.T) { storage.Fsck(t, smoke.Open(t)) }

func TestXFS(t *testing.T) { storage.XFS(t, smoke.Open(t)) }

func TestNoShell(t *testing.T) { smoke.Open(t).NoShell(t) }
