package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// storageEntries compare the two ways to keep payload.tar between actions. The peer is ourselves, if rpmextract compressed it.
var storageEntries = []entry{
	{name: "storage: iptables layer from RPM files", target: "payload.tar as it is, or as zstd", ours: plainPayloads, peer: packedPayloads},
}

func plainPayloads(e *env) (figure, error) {
	return e.imageKeeping(func([]string) (figure, error) { return figure{}, nil })
}

// packedPayloads compresses every payload.tar once, and decompresses it for the one image that needs it.
func packedPayloads(e *env) (figure, error) {
	if _, err := exec.LookPath("zstd"); err != nil {
		return figure{}, skip("no zstd here")
	}
	return e.imageKeeping(func(tars []string) (figure, error) {
		var total figure
		var kept int64
		for _, args := range [][]string{{"-1"}, {"-d"}} {
			var cmds []*exec.Cmd
			for _, tar := range tars {
				if args[0] == "-d" {
					tar += ".zst"
				}
				cmds = append(cmds, exec.Command("zstd", "-q", "-T1", "--rm", args[0], tar))
			}
			f, err := sideBySide(cmds)
			if err != nil {
				return total, err
			}
			total.wall += f.wall
			total.cpu += f.cpu
			if args[0] == "-1" {
				if kept, err = sizes(tars, ".zst"); err != nil {
					return total, err
				}
			}
		}
		total.note = fmt.Sprintf("%.1f MiB kept", float64(kept)/(1<<20))
		return total, nil
	})
}

// imageKeeping makes the layer and lets keep do something to the extracted payloads.
func (e *env) imageKeeping(keep func(tars []string) (figure, error)) (figure, error) {
	l, dir, packages, err := e.start()
	if err != nil {
		return figure{}, err
	}
	defer os.RemoveAll(dir)
	f, err := e.extractAll(dir, packages)
	if err != nil {
		return f, err
	}
	var tars []string
	for _, p := range packages {
		tars = append(tars, filepath.Join(dir, p.Name+".tar"))
	}
	kept, err := keep(tars)
	if err != nil {
		return f, err
	}
	composed, err := e.composeImage(dir, l, packages, imagePackages)
	f.wall += kept.wall + composed.wall
	f.cpu += kept.cpu + composed.cpu
	f.peakKiB = max(f.peakKiB, composed.peakKiB)
	if f.note = kept.note; f.note == "" {
		size, err := sizes(tars, "")
		if err != nil {
			return f, err
		}
		f.note = fmt.Sprintf("%.1f MiB kept", float64(size)/(1<<20))
	}
	return f, err
}

func sizes(files []string, suffix string) (int64, error) {
	var total int64
	for _, file := range files {
		info, err := os.Stat(file + suffix)
		if err != nil {
			return 0, err
		}
		total += info.Size()
	}
	return total, nil
}
