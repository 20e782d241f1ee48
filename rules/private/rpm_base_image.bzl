"""Declares rule rpm_base_image: an image of others as a base."""

load("//rules:toolchain.bzl", "TOOLCHAIN_TYPE")
load("//rules/providers:providers.bzl", "RootfsInfo", "RpmClosureInfo")
load(":actions.bzl", "show_label")
load(":architectures.bzl", "ARCHITECTURE_ATTRS", "target_architecture")

visibility("//rules/...")

def _rpm_base_image_impl(ctx):
    arch = target_architecture(ctx)
    if not arch:
        fail("%s: images can be read for the architectures %s only\nhint: pass --platforms=@rules_slimrpm//rules/platforms:linux_amd64 or another one" % (
            show_label(ctx.label),
            ", ".join(sorted(ctx.attr._constraints.values())),
        ))
    layer = ctx.actions.declare_file(ctx.label.name + ".layer.tar")
    tree = ctx.actions.declare_file(ctx.label.name + ".tree.json")
    headers = ctx.actions.declare_file(ctx.label.name + ".headers.bin")
    args = ctx.actions.args()
    args.add_all([ctx.file.image], format_each = "--layout=%s", expand_directories = False)
    args.add(arch, format = "--arch=%s")
    args.add(show_label(ctx.label), format = "--label=%s")
    args.add(layer, format = "--layer=%s")
    args.add(tree, format = "--tree=%s")
    args.add(headers, format = "--foreign=%s")
    ctx.actions.run(
        mnemonic = "BaseTree",
        progress_message = "Reading image %{input}",
        executable = ctx.toolchains[TOOLCHAIN_TYPE].rpm.basetree,
        arguments = [args],
        inputs = [ctx.file.image],
        outputs = [layer, tree, headers],
        toolchain = TOOLCHAIN_TYPE,
    )
    return [
        RootfsInfo(
            allow = {},
            arch = arch,
            checked = False,
            compressed_layers = (),
            foreign = struct(headers = headers, image = ctx.file.image, layer = layer),
            layers = (),
            packages = RpmClosureInfo(),
            release = None,
            reports = (),
            selections = (),
            shell = False,
            tree = tree,
        ),
        DefaultInfo(files = depset([tree])),
        OutputGroupInfo(
            squashed = depset([layer]),
            tree = depset([tree]),
        ),
    ]

rpm_base_image = rule(
    implementation = _rpm_base_image_impl,
    doc = """An image that was made elsewhere, as `base` of an rpm_rootfs or rpm_image.

    rpm_base_image(
        name = "ubi_minimal",
        image = "@ubi_minimal",
    )

    rpm_image(
        name = "nft",
        base = ":ubi_minimal",
        base_image = "@ubi_minimal",
        contents = [":nftables"],
    )

Libraries that the image has are used, and not shipped again; packages of its database are not either, unless the image has an older version
than the lock, which is an error. The database on top is in the format and place of the image's, which may be any that rpm has had, and keeps
its headers byte for byte. Output groups: `tree` (tree.json), `squashed` (all files of the image as one tar).""",
    attrs = ARCHITECTURE_ATTRS | {
        "image": attr.label(
            doc = "OCI layout, such as a target of oci_pull, with a linux image of the target platform.",
            allow_single_file = True,
            mandatory = True,
        ),
    },
    provides = [RootfsInfo],
    toolchains = [TOOLCHAIN_TYPE],
)
