"""Declares macro golang_variant: an image with one Go SDK."""

load("@golang_sdks//:sdks.bzl", "SDKS")
load("//rules:defs.bzl", "image_content")
load("//variants:defs.bzl", "variant")

visibility("//variants/...")

def golang_variant(*, name, series, base, size_budget):
    """An image with the Go SDK of a series, git, and what `base` has.

    Args:
      name: name of the variant, and of its folder.
      series: of Go, such as `1.26`; it is in sdks.json.
      base: name of the variant that this one builds on, one with a shell.
      size_budget: as in variant.
    """
    sdk = SDKS[series]
    architectures = {"amd64": "x86_64", "arm64": "aarch64"}
    image_content(
        name = "sdk",
        archive = "@golang_sdks//:" + series,
        content_name = "go",
        digest = select({
            "@platforms//cpu:" + architectures[arch]: digest
            for arch, digest in sdk.digests.items()
        }),
        exclude = [
            # Tests of the standard library and what they read: files for other systems, damaged archives.
            "**/testdata",
            "src/**/*_test.go",
            # What builds Go itself, also on Plan 9 and Windows.
            "src/*.bash",
            "src/*.bat",
            "src/*.rc",
        ],
        license = "BSD-3-Clause",
        prefix = "/usr/local/go",
        purl = "pkg:golang/toolchain@" + sdk.version,
        strip_prefix = select({
            "@platforms//cpu:" + architectures[arch]: "golang.org/toolchain@v0.0.1-go%s.linux-%s" % (sdk.version, arch)
            for arch in sdk.digests
        }),
        symlinks = {
            "/usr/bin/go": "../local/go/bin/go",
            "/usr/bin/gofmt": "../local/go/bin/gofmt",
        },
        tags = ["manual"],
        updates = {
            "kind": "go-toolchain",
            "series": series,
        },
        version = sdk.version,
        visibility = ["//visibility:public"],
    )
    git = {"packages": ["git-core"]}
    variant(
        name = name,
        base = base,
        commands = [
            {"args": ["/usr/bin/go", "version"], "output": "^go version go%s linux/" % sdk.version},
            {"args": ["/usr/bin/git", "--version"], "output": "^git version "},
        ],
        contents = [":sdk"],
        # Whoever the user is, modules and results of the compiler go below /go, and nothing else needs to be writable.
        dirs = {
            "/go": {"mode": "1777"},
            "/go/bin": {"mode": "1777"},
            "/go/src": {"mode": "1777"},
        },
        env = {
            "CGO_ENABLED": "1" if base == "compiler-gcc" else "0",
            "GOCACHE": "/go/cache",
            "GOENV": "/go/env",
            "GOPATH": "/go",
            "GOTOOLCHAIN": "local",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/go/bin",
        },
        ld_so_cache = True,
        no_shell = False,
        releases = {
            "al2": git,
            "al2023": git,
            "debrpm": {
                "packages": ["git"],
                "remove": [
                    # Scripts in Perl, and the image has none.
                    "/usr/lib/git-core/git-add--interactive",
                    "/usr/share/git-core/contrib/hooks/setgitperms.perl",
                    "/usr/share/git-core/contrib/hooks/update-paranoid",
                    "/usr/share/git-core/templates/hooks/fsmonitor-watchman.sample",
                    "/usr/share/gitweb",
                ],
            },
        },
        size_budget = size_budget,
        smoke = {"srcs": ["//variants/golang:smoke_test.go"]},
        workdir = "/go",
    )
