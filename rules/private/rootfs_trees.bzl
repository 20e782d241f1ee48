"""Declares rule rootfs_trees: the trees of root filesystems on several platforms, for programs that compare them."""

load("//rules/providers:providers.bzl", "RootfsInfo")
load(":architectures.bzl", "ARCHITECTURES")
load(":transitions.bzl", "each_platform")

visibility(["//rules/...", "//variants/..."])

def _rootfs_trees_impl(ctx):
    links = []
    for targets in ctx.split_attr.rootfs.values():
        for name, target in zip(ctx.attr.names, targets):
            # Files of two platforms have the same path in runfiles, so each gets a link with a name of its own.
            rootfs = target[RootfsInfo]
            link = ctx.actions.declare_file("%s/%s_%s.tree.json" % (ctx.label.name, name, ARCHITECTURES[rootfs.arch][1]))
            ctx.actions.symlink(output = link, target_file = rootfs.tree)
            links.append(link)
    return [DefaultInfo(files = depset(links), runfiles = ctx.runfiles(links))]

rootfs_trees = rule(
    implementation = _rootfs_trees_impl,
    doc = "`<name>_<architecture>.tree.json` of each root filesystem on each platform, in a folder with the name of the target.",
    attrs = {
        "names": attr.string_list(doc = "Names of the root filesystems, in the order of rootfs.", mandatory = True),
        "platforms": attr.string_list(doc = "Labels of the platforms.", mandatory = True),
        "rootfs": attr.label_list(cfg = each_platform, doc = "Root filesystems.", providers = [RootfsInfo]),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
    },
)
