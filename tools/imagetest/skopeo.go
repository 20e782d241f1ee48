package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// skopeo compares the configuration of the image, as skopeo reads it, with the spec.
func (t *tester) skopeo() error {
	out, err := output("skopeo", "inspect", "--config", "oci:"+t.image.Reference())
	if err != nil {
		return err
	}
	var config struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
		Config       struct {
			User string
			Env  []string
		} `json:"config"`
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal([]byte(out), &config); err != nil {
		return err
	}
	if config.Architecture != t.spec.Arch || config.OS != "linux" {
		return fmt.Errorf("platform is %s/%s, want linux/%s", config.OS, config.Architecture, t.spec.Arch)
	}
	if config.Config.User != t.spec.User {
		return fmt.Errorf("user is %q, want %q", config.Config.User, t.spec.User)
	}
	if !slices.ContainsFunc(config.Config.Env, func(e string) bool { return strings.HasPrefix(e, "PATH=") }) {
		return fmt.Errorf("environment %q has no PATH", config.Config.Env)
	}
	if len(config.RootFS.DiffIDs) == 0 {
		return fmt.Errorf("image has no layer")
	}
	return nil
}
