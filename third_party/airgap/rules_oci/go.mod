module github.com/rules-slimrpm/rules_slimrpm/third_party/airgap/rules_oci

go 1.26
