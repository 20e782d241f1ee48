module github.com/rules-slimrpm/rules_slimrpm

go 1.26

require github.com/knqyf263/go-rpmdb v0.1.1 // tests only: the reader of Trivy and Syft must read our rpmdb

require (
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/mikelolasagasti/xz v1.0.1 // indirect
	github.com/rogpeppe/go-internal v1.16.0 // indirect
	github.com/ulikunitz/xz v0.5.17 // indirect
	go.yaml.in/yaml/v3 v3.0.6 // indirect
	golang.org/x/sys v0.26.0 // indirect; of testscript
	golang.org/x/tools v0.26.0 // indirect; of testscript
	golang.org/x/xerrors v0.0.0-20200804184101-5ec99f83aff1 // indirect; of go-rpmdb
)
