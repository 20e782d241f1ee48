"""Declares rule rpm_image_layers: the layers that an image adds to the one it stands on."""

load("//rules/providers:providers.bzl", "RootfsInfo")
load(":actions.bzl", "show_label")

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
    return [DefaultInfo(files = depset(layers, order = "preorder"))]

rpm_image_layers = rule(
    implementation = _rpm_image_layers_impl,
    doc = "The layers of a root filesystem for oci_image, whose `base` must be the image that the root filesystem stands on.",
    attrs = {
        "base_image": attr.label(doc = "OCI layout that oci_image builds on.", allow_single_file = True),
        "compression": attr.string(doc = "Of the layers.", values = ["gzip", "none"], mandatory = True),
        "rootfs": attr.label(doc = "Root filesystem.", providers = [RootfsInfo], mandatory = True),
    },
)
