"""Declares rule rpm_image_layers: the layers that an image adds to the one it stands on."""

load("//rules:toolchain.bzl", "TOOLCHAIN_TYPE")
load("//rules/providers:providers.bzl", "RootfsInfo")
load(":actions.bzl", "check_rootfs", "show_label")
load(":checks.bzl", "split_check")

visibility("//rules/...")

def _rpm_image_layers_impl(ctx):
    rootfs = ctx.attr.rootfs[RootfsInfo]
    below = rootfs.foreign.image if rootfs.foreign else None
    if below != ctx.file.base_image:
        fail("%s: the root filesystem %s stands on %s, but base_image is %s\nhint: %s" % (
            show_label(ctx.label),
            show_label(ctx.attr.rootfs.label),
            "image " + show_label(below.owner) if below else "no image of others",
            show_label(ctx.attr.base_image.label) if ctx.attr.base_image else "not set",
            "set base_image = \"%s\"" % show_label(below.owner) if below else "leave base_image out, or build on an rpm_base_image of it",
        ))
    layers = rootfs.compressed_layers if ctx.attr.compression == "gzip" else rootfs.layers
    findings, check_spec = _check(ctx, rootfs)
    return [
        DefaultInfo(files = depset(layers, order = "preorder")),
        OutputGroupInfo(
            rootcheck = depset(findings),
            rootcheck_spec = depset(check_spec),
            tree = depset([rootfs.tree]),
            _validation = depset(findings),
        ),
    ]

def _check(ctx, rootfs):
    label = ctx.attr.image or show_label(ctx.label)
    check = json.decode(ctx.attr.check)
    tree, _ = split_check(check)
    if rootfs.checked and tree:
        fail("%s: check has %s, which is about the root filesystem; give it to check of %s" % (
            label,
            ", ".join(sorted(tree.get("allow", {}).keys() + [key for key in tree if key != "allow"])),
            show_label(ctx.attr.rootfs.label),
        ))
    config = {
        "cmd": ctx.attr.cmd,
        "entrypoint": ctx.attr.entrypoint,
        "path": ctx.attr.path,
        "workdir": ctx.attr.workdir,
    }

    # What the attributes do not say comes from the configuration of the image below, which is not read here.
    program = (ctx.attr.entrypoint or [""])[0]
    if ctx.attr.base_image and not (program.startswith("/") or (program and "/" not in program and ctx.attr.path)):
        config = {}
    return check_rootfs(
        ctx,
        base = None if rootfs.checked else rootfs,
        label = label,
        rootfs = rootfs,
        spec = check | config | {
            "scope": "config" if rootfs.checked else "",
            "user": ctx.attr.user,
        },
    )

rpm_image_layers = rule(
    implementation = _rpm_image_layers_impl,
    doc = """The layers of a root filesystem for oci_image, whose `base` must be the image that the root filesystem stands on.

Building them checks the user and the program of the image config against the tree; and the tree itself, where the rpm_rootfs does not.""",
    attrs = {
        "base_image": attr.label(doc = "OCI layout that oci_image builds on.", allow_single_file = True),
        "check": attr.string(doc = "JSON: dict of read_check.", default = "{}"),
        "cmd": attr.string_list(doc = "Of the image config."),
        "compression": attr.string(doc = "Of the layers.", values = ["gzip", "none"], mandatory = True),
        "entrypoint": attr.string_list(doc = "Of the image config."),
        "image": attr.string(doc = "Label of the image, for messages; that of this target if empty."),
        "path": attr.string(doc = "PATH of the image config."),
        "rootfs": attr.label(doc = "Root filesystem.", providers = [RootfsInfo], mandatory = True),
        "user": attr.string(doc = "Of the image config."),
        "workdir": attr.string(doc = "Of the image config."),
    },
    toolchains = [TOOLCHAIN_TYPE],
)
