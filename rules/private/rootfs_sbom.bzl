"""Declares rule rootfs_sbom: bills of materials and package lists of a root filesystem, for each platform."""

load("//rules:toolchain.bzl", "TOOLCHAIN_TYPE")
load("//rules/providers:providers.bzl", "RootfsInfo")
load(":actions.bzl", "list_rootfs")
load(":transitions.bzl", "each_platform")

visibility("//rules/...")

def _rootfs_sbom_impl(ctx):
    lists = [
        list_rootfs(ctx, target[RootfsInfo], "%s.%s" % (ctx.label.name, target[RootfsInfo].arch))
        for target in ctx.attr.rootfs
    ]
    sboms = [x.cyclonedx for x in lists]
    packages = [x.packages for x in lists]
    return [
        DefaultInfo(files = depset(sboms + packages)),
        OutputGroupInfo(packages = depset(packages), sbom = depset(sboms)),
    ]

rootfs_sbom = rule(
    implementation = _rootfs_sbom_impl,
    doc = """Lists what a root filesystem holds, for each platform: `<name>.<arch>.cdx.json` and `<name>.<arch>.packages.tsv`.

rpm_rootfs and rpm_image make one: `<name>_sbom`. See rules/docs/sbom.md.""",
    attrs = {
        "platforms": attr.string_list(doc = "Labels of the platforms; empty: the target platform."),
        "rootfs": attr.label(doc = "The root filesystem.", cfg = each_platform, mandatory = True, providers = [RootfsInfo]),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
    },
    toolchains = [TOOLCHAIN_TYPE],
)
