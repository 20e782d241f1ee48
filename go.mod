module github.com/rules-slimrpm/rules_slimrpm

go 1.26.0

// The product.
require (
	github.com/google/go-containerregistry v0.22.1 // tags and manifests of registries, with the credentials of docker login
	github.com/klauspost/compress v1.20.3 // zstd payloads and metadata, with long windows; faster gzip
	github.com/mikelolasagasti/xz v1.0.1 // xz payloads, with BCJ filters; the fastest in pure Go
	github.com/ulikunitz/xz v0.5.17 // payloads of the old lzma format, which the other one lacks
	github.com/yuin/gopher-lua v1.1.2 // <lua> scriptlets: an interpreter whose instructions can be counted
	go.yaml.in/yaml/v3 v3.0.6 // manifests: strict decoding with line numbers
	mvdan.cc/sh/v3 v3.14.1 // shell scriptlets: parser and expansions
)

// Tests only.
require (
	github.com/CycloneDX/cyclonedx-go v0.12.0 // the library of the CycloneDX project reads our bills of materials
	github.com/cavaliergopher/rpm v1.2.0 // a second reader of headers, and its table of version comparisons from librpm
	github.com/ebitengine/purego v0.11.3 // calls C libraries of images of any architecture, without a C compiler
	github.com/knqyf263/go-rpmdb v0.1.1 // the reader of Trivy and Syft must read our rpmdb
	github.com/package-url/packageurl-go v0.1.7 // the library of package URLs reads ours
	github.com/rogpeppe/go-internal v1.16.0 // testscript: each program has txtar scripts
	github.com/santhosh-tekuri/jsonschema/v5 v5.3.1 // a judge of the published schemas that is not ours; without dependencies
	golang.org/x/sys v0.47.0 // network namespaces and device numbers for images that tests run
)

require (
	golang.org/x/tools v0.49.0 // indirect; of testscript
	golang.org/x/xerrors v0.0.0-20200804184101-5ec99f83aff1 // indirect; of go-rpmdb
)

require (
	github.com/docker/cli v29.7.2+incompatible // indirect
	github.com/docker/docker-credential-helpers v0.9.3 // indirect
	github.com/opencontainers/go-digest v1.0.0 // indirect
	github.com/opencontainers/image-spec v1.1.1 // indirect
	github.com/sirupsen/logrus v1.9.4 // indirect
	golang.org/x/crypto v0.0.0-20210921155107-089bfa567519 // indirect
	golang.org/x/sync v0.22.0 // indirect
	gotest.tools/v3 v3.5.2 // indirect
)
