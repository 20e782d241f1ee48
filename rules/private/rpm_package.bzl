"""Declares rule rpm_package."""

load("//rules/providers:providers.bzl", "RpmClosureInfo", "RpmInfo", "RpmRequestInfo")
load(":request.bzl", "REQUEST_ATTRS", "REQUEST_TOOLCHAINS", "closures_of", "make_request")

visibility("//rules/...")

def _closures(rpms, extra, deps):
    return closures_of(rpms + extra, deps) if deps != "none" else []

def _rpm_package_impl(ctx):
    return make_request(ctx, deps = ctx.attr.deps, kind = "package", packages = ctx.attr.rpms)

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

Goes into `contents` of an rpm_rootfs or rpm_image. By itself it builds a layer tar of the packages, their closure and an rpmdb.""",
    attrs = REQUEST_ATTRS | {
        "deps": attr.string(
            doc = """Which other packages come along:

* `elf`: those that have the libraries which ELF files of the packages need. The packages' metadata is not asked, so no shell comes with a
  scriptlet that needs one.
* `requires`: those that the packages require at run time. Requirements of scriptlets are left out, weak ones too.
* `none`: none.""",
            default = "elf",
            values = ["elf", "requires", "none"],
        ),
        "rpms": attr.label_list(
            doc = "Packages, such as `@al2023//iptables-nft`.",
            allow_empty = False,
            mandatory = True,
            providers = [RpmInfo],
        ),
        "_closures": attr.label_list(default = _closures, providers = [RpmClosureInfo]),
    },
    provides = [RpmRequestInfo],
    toolchains = REQUEST_TOOLCHAINS,
)
