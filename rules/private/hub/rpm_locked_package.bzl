"""Declares rules rpm_locked_package and rpm_closure: the packages of a release."""

load("//rules/providers:providers.bzl", "RpmClosureInfo", "RpmInfo", "RpmReleaseInfo")
load(":rpm_archive.bzl", "RpmArchiveInfo")

# Loaded by the hub repositories that the module extension makes.
visibility("public")

def _rpm_locked_package_impl(ctx):
    release = ctx.attr.release[RpmReleaseInfo]
    if not ctx.attr.archive:
        return [RpmInfo(header = None, index = None, name = ctx.label.name, nevra = None, payload = None, release = release)]
    archive = ctx.attr.archive[RpmArchiveInfo]
    return [
        RpmInfo(
            header = archive.header,
            index = archive.index,
            name = ctx.label.name,
            nevra = archive.nevra,
            payload = archive.payload,
            release = release,
        ),
        DefaultInfo(files = depset([archive.payload])),
        OutputGroupInfo(
            header = depset([archive.header]),
            index = depset([archive.index]),
            payload = depset([archive.payload]),
        ),
    ]

rpm_locked_package = rule(
    implementation = _rpm_locked_package_impl,
    doc = """One package of a release, of the architecture of the target platform: `@<release>//<package>`.

Its default output is the tar of all its files; output groups `index` and `header` hold the rest.""",
    attrs = {
        "archive": attr.label(doc = "The unpacked RPM of the target architecture; none when the lock has none.", providers = [RpmArchiveInfo]),
        "release": attr.label(doc = "The release.", mandatory = True, providers = [RpmReleaseInfo]),
    },
    provides = [RpmInfo],
)

def _rpm_closure_impl(ctx):
    return [RpmClosureInfo(
        closures = [closure[RpmClosureInfo] for closure in ctx.attr.closures],
        rpms = [rpm[RpmInfo] for rpm in ctx.attr.rpms],
    )]

rpm_closure = rule(
    implementation = _rpm_closure_impl,
    doc = """What edges of certain kinds reach from a package: `@<release>//<package>:elf` and `:requires`.

The dependency graph of RPMs has cycles; here each cycle is one target that has all its packages, which leaves a graph without cycles.""",
    attrs = {
        "closures": attr.label_list(doc = "Closures of the cycles that this one leads to.", providers = [RpmClosureInfo]),
        "rpms": attr.label_list(doc = "The packages of the cycle.", providers = [RpmInfo]),
    },
    provides = [RpmClosureInfo],
)
