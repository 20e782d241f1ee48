// Package nonroot_test runs a static program in the image as the user that the image names.
package nonroot_test

import (
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

func Test(t *testing.T) {
	image := smoke.Open(t)
	image.NoShell(t)
	p := imagerun.Process{Args: []string{"/probe", "look"}, Env: []string{"TZ=Europe/Berlin"}, ReadOnly: true}
	p.Mounts = []imagerun.Mount{imagerun.Bind(smoke.Program(t, "../base/probe"), "/probe"), imagerun.Tmpfs("/tmp", "mode=1777")}
	image.Match(t, p, "(?m)^certificates: loaded\ntime: 2026-08-04 02:00 CEST\nelsewhere: 20:00 EDT\nuser: nonroot 65532:65532 nonroot /home/nonroot\nfile: temporary\n$")
}
