"""Declares repository rule go_sdk_archive: one Go SDK, as a zip that nothing has looked into yet."""

load("@go_host_compatible_sdk_label//:defs.bzl", "HOST_COMPATIBLE_SDK")

visibility("//variants/golang")

_FOLDER = "SLIMRPM_GO_SDKS"

def _go_sdk_archive_impl(ctx):
    ctx.file("REPO.bazel")
    ctx.file("BUILD.bazel", """exports_files(["sdk.zip"], visibility = ["//visibility:public"])\n""")
    folder = ctx.getenv(_FOLDER)
    if folder:
        zip = ctx.path(folder).get_child("go%s.linux-%s.zip" % (ctx.attr.version, ctx.attr.arch))
        if zip.exists:
            ctx.symlink(zip, "sdk.zip")
            return
    _download(ctx)

def _download(ctx):
    version = "%s@v0.0.1-go%s.linux-%s" % (ctx.attr.go_module, ctx.attr.version, ctx.attr.arch)
    go = ctx.path(HOST_COMPATIBLE_SDK).dirname.get_child("bin").get_child("go")
    result = ctx.execute(
        [go, "mod", "download", "-json", version],
        environment = {
            "GO111MODULE": "on",
            "GOFLAGS": "-modcacherw",
            "GOMODCACHE": str(ctx.path("modcache")),
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
        },
    )
    answer = json.decode(result.stdout, default = {}) if result.stdout else {}
    if result.return_code or not answer.get("Zip"):
        fail("fetching Go SDK %s: %s\nhint: GOPROXY must name a proxy that has it; or fetch it elsewhere with `go run ./tools/gosdk fetch --sdks=variants/golang/sdks.json --out=DIR`, and set %s=DIR" % (
            version,
            answer.get("Error") or result.stderr.strip() or "go has given no reason",
            _FOLDER,
        ))
    ctx.execute(["mv", answer["Zip"], "sdk.zip"])
    ctx.delete("modcache")  # the go command has unpacked it

go_sdk_archive = repository_rule(
    implementation = _go_sdk_archive_impl,
    doc = "The zip of a Go SDK, `//:sdk.zip`. Whoever uses it compares it with its hash.",
    attrs = {
        "arch": attr.string(doc = "OCI architecture.", mandatory = True),
        "go_module": attr.string(doc = "Go module that the SDK is a version of.", mandatory = True),
        "version": attr.string(doc = "Version of Go, such as 1.26.4.", mandatory = True),
    },
    environ = [_FOLDER],
)
