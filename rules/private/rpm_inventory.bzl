"""Declares rule rpm_inventory: which packages the images of a release ship."""

load("//rules/providers:providers.bzl", "RootfsInfo")
load(":transitions.bzl", "each_platform")

visibility(["//rules/...", "//variants/..."])

INVENTORY_SCHEMA = 1

def _rpm_inventory_impl(ctx):
    if len(ctx.attr.names) != len(ctx.attr.rootfs) // max(1, len(ctx.attr.platforms)):
        fail("%s: attribute names has %d names, attribute rootfs %d root filesystems for %d platforms; want a name for each" % (
            ctx.label,
            len(ctx.attr.names),
            len(ctx.attr.rootfs),
            len(ctx.attr.platforms),
        ))
    images = []
    trees = []
    for targets in ctx.split_attr.rootfs.values():
        for name, target in zip(ctx.attr.names, targets):
            tree = target[RootfsInfo].tree
            trees.append(tree)
            images.append({"name": name, "tree": tree.path})
    spec = ctx.actions.declare_file(ctx.label.name + ".spec.json")
    ctx.actions.write(spec, json.encode_indent({
        "images": images,
        "inventories": [file.path for file in ctx.files.inventories],
        "release": ctx.attr.release,
        "schema": INVENTORY_SCHEMA,
    }) + "\n")
    out = ctx.actions.declare_file(ctx.label.name + ".json")
    args = ctx.actions.args()
    args.add(spec, format = "--spec=%s")
    args.add(out, format = "--out=%s")
    ctx.actions.run(
        arguments = [args],
        executable = ctx.executable._inventory,
        inputs = trees + ctx.files.inventories + [spec],
        mnemonic = "RpmInventory",
        outputs = [out],
        progress_message = "Listing the packages of the images of %s" % ctx.attr.release,
    )
    return [DefaultInfo(files = depset([out]))]

rpm_inventory = rule(
    implementation = _rpm_inventory_impl,
    doc = "Writes inventory.json: which packages each image ships, on each platform.",
    attrs = {
        "inventories": attr.label_list(doc = "Other rpm_inventory targets of the release, whose images are taken over.", allow_files = [".json"]),
        "names": attr.string_list(doc = "Names of the images, in the order of rootfs."),
        "platforms": attr.string_list(doc = "Labels of the platforms of rootfs."),
        "release": attr.string(doc = "Name of the release that all images are of.", mandatory = True),
        "rootfs": attr.label_list(doc = "Root filesystems of the images.", cfg = each_platform, providers = [RootfsInfo]),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
        "_inventory": attr.label(cfg = "exec", default = "//tools/inventory", executable = True),
    },
)
