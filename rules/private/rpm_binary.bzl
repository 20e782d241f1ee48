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
        libraries = ctx.attr.libraries,
        packages = [ctx.attr.rpm],
        setuid = ctx.attr.setuid,
    )

rpm_binary = rule(
    implementation = _rpm_binary_impl,
    doc = """Named files of one package, and the libraries that exactly these files need.

    rpm_binary(
        name = "tar",
        binaries = ["/usr/bin/tar"],
        rpm = "@al2023//tar",
    )

Licence files of the package come along always. Symbolic links stay links and bring what they lead to, also into another package; one
into /etc/alternatives brings the program that scriptlets of the package choose, and the link there is for `alternatives` or `symlinks` of the
root filesystem, because scriptlets of a package that is not whole do not run. Hard links stay hard links. Owner, mode, time and capabilities are those of the package. In the package database
all other files of the package are "not installed". See rules/docs/rpm_binary.md.

Goes into `contents` of an rpm_rootfs or rpm_image. By itself it builds a layer tar of the files, their closure and an rpmdb.""",
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
        "libraries": attr.string(
            doc = """How much comes along of packages that have a library which the files need:

* `package`: all of it, with its configuration and data.
* `slice`: the library, the links that lead to it, and licences.""",
            default = "package",
            values = ["package", "slice"],
        ),
        "rpm": attr.label(
            doc = "The package, such as `@al2023//tar`.",
            mandatory = True,
            providers = [RpmInfo],
        ),
        "setuid": attr.string(
            doc = "Whether the named files, and those that named links lead to, keep their set-user-ID and set-group-ID bits: `keep`, or `strip`.",
            default = "keep",
            values = ["keep", "strip"],
        ),
        "_closures": attr.label_list(default = _closures, providers = [RpmClosureInfo]),
    },
    provides = [RpmRequestInfo],
    toolchains = REQUEST_TOOLCHAINS,
)
