"""Declares repository rule go_sdk_hub: names for the archives of Go SDKs."""

visibility("//variants/golang")

_CPUS = {"amd64": "x86_64", "arm64": "aarch64"}

def _go_sdk_hub_impl(ctx):
    series = {}
    for name, place in ctx.attr.archives.items():
        version, arch = place.split(" ")
        series.setdefault(version, {})["@platforms//cpu:" + _CPUS[arch]] = "@%s//:sdk.zip" % name
    build = ["exports_files([\"sdks.bzl\"])"]
    for version, archives in series.items():
        build.append("alias(\n    name = %s,\n    actual = select(%s),\n    visibility = [\"//visibility:public\"],\n)" % (repr(version), json.encode_indent(archives, prefix = "    ", indent = "    ")))
    ctx.file("REPO.bazel")
    ctx.file("BUILD.bazel", "\n".join(build) + "\n")
    ctx.file("sdks.bzl", "\"\"\"The Go SDKs of variants/golang/sdks.json.\"\"\"\n\nSDKS = %s\n" % repr({
        sdk["series"]: struct(version = sdk["version"], digests = sdk["digests"])
        for sdk in json.decode(ctx.attr.sdks)["sdks"]
    }))

go_sdk_hub = repository_rule(
    implementation = _go_sdk_hub_impl,
    doc = "An alias per series of Go, and sdks.bzl.",
    attrs = {
        "archives": attr.string_dict(doc = "Name of the repository of an archive -> series and architecture.", mandatory = True),
        "sdks": attr.string(doc = "Content of sdks.json.", mandatory = True),
    },
)
