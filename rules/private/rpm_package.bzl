"""Declares rule rpm_package."""

load("//rules/providers:providers.bzl", "RpmClosureInfo", "RpmInfo", "RpmRequestInfo")
load(":request.bzl", "REQUEST_ATTRS", "REQUEST_TOOLCHAINS", "closures_of", "make_request")

visibility("//rules/...")

def _closures(rpms, extra, deps):
    return closures_of(rpms + extra, deps) if deps != "none" else []

def _rpm_package_impl(ctx):
    return make_request(
        ctx,
        deps = ctx.attr.deps,
        kind = "package",
        libraries = ctx.attr.libraries,
        packages = ctx.attr.rpms,
        scripts = ctx.attr.scripts,
    )

rpm_package = rule(
    implementation = _rpm_package_impl,
    doc = """Whole packages, and what they need.

    rpm_package(
        name = "iptables_rpms",
        rpms = [
            "@al2023//iptables-nft",
            "@al2023//nftables",
        ],
    )

What is left out on purpose is in the report of each root filesystem, under `cut`. See rules/docs/rpm_package.md.

Goes into `contents` of an rpm_rootfs or rpm_image. By itself it builds a layer tar of the packages, their closure and an rpmdb.""",
    attrs = REQUEST_ATTRS | {
        "deps": attr.string(
            doc = """Which other packages come along:

* `elf`: those that have the libraries which ELF files of the packages need. The packages' metadata is not asked, so no shell comes with a
  scriptlet that needs one.
* `requires`: those that the packages require at run time. Requirements of scriptlets are left out, because scriptlets are emulated;
  weak ones too, and by `scripts` those that only scripts have.
* `none`: none.""",
            default = "elf",
            values = ["elf", "requires", "none"],
        ),
        "libraries": attr.string(
            doc = """How much comes along of packages that have a library which ELF files of `rpms` or `extra` need:

* `package`: all of it, with its configuration and data.
* `slice`: the library, the links that lead to it, and licences.""",
            default = "package",
            values = ["package", "slice"],
        ),
        "rpms": attr.label_list(
            doc = "Packages, such as `@al2023//iptables-nft`.",
            allow_empty = False,
            mandatory = True,
            providers = [RpmInfo],
        ),
        "scripts": attr.string(
            doc = """What becomes of executable scripts whose interpreter is not in the image:

* `keep`: they stay. With `deps = "requires"` what scripts require comes along, so most interpreters are there.
* `drop`: they are left out. With `deps = "requires"` what only scripts require, by the headers of the packages, is followed for those
  scripts only whose interpreter something else brings in.
* `error`: the build fails, and names each of them.""",
            default = "keep",
            values = ["keep", "drop", "error"],
        ),
        "_closures": attr.label_list(default = _closures, providers = [RpmClosureInfo]),
    },
    provides = [RpmRequestInfo],
    toolchains = REQUEST_TOOLCHAINS,
)
