"""Declares rule rpm_binary."""

load("//rules/providers:providers.bzl", "RpmClosureInfo", "RpmInfo", "RpmRequestInfo")
load(":request.bzl", "REQUEST_ATTRS", "REQUEST_TOOLCHAINS", "closures_of", "make_request")

visibility("//rules/...")

def _closures(rpm, extra):
    return closures_of([rpm] + extra, "elf")

def _rpm_binary_impl(ctx):
    for path in ctx.attr.binaries:
        if not path.startswith("/"):
            fail("%s: binaries has %r; give the absolute path in the image, such as %r" % (ctx.label, path, "/usr/bin/" + path))
    return make_request(
        ctx,
        binaries = ctx.attr.binaries,
        config = ctx.attr.config,
        deps = "elf",
        kind = "binary",
        packages = [ctx.attr.rpm],
    )

rpm_binary = rule(
    implementation = _rpm_binary_impl,
    doc = """Named files of one package, and the libraries that exactly these files need.

    rpm_binary(
        name = "tar",
        binaries = ["/usr/bin/tar"],
        rpm = "@al2023//tar",
    )

Licence files of the package come along always. Goes into `contents` of an rpm_rootfs or rpm_image. By itself it builds a layer tar of
the files, their closure and an rpmdb.""",
    attrs = REQUEST_ATTRS | {
        "binaries": attr.string_list(
            doc = "Absolute paths of files of the package, or globs (`*` does not match `/`).",
            allow_empty = False,
            mandatory = True,
        ),
        "config": attr.string(
            doc = "Which configuration files of the package come along: `none`, `files` (those named like a binary), `package` (all).",
            default = "none",
            values = ["none", "files", "package"],
        ),
        "rpm": attr.label(
            doc = "The package, such as `@al2023//tar`.",
            mandatory = True,
            providers = [RpmInfo],
        ),
        "_closures": attr.label_list(default = _closures, providers = [RpmClosureInfo]),
    },
    provides = [RpmRequestInfo],
    toolchains = REQUEST_TOOLCHAINS,
)
