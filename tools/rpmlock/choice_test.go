package main

import (
	"slices"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/resolve"
)

func TestPoliciesOfManifest(t *testing.T) {
	if !slices.Equal(lockfile.KnownPolicies(), resolve.Policies()) {
		t.Errorf("a manifest may have %v, the resolver has %v", lockfile.KnownPolicies(), resolve.Policies())
	}
}
