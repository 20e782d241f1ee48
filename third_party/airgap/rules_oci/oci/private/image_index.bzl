"""Declares rule oci_image_index: an OCI image layout of an index of images."""

visibility("//oci/...")

def _platforms_transition_impl(_settings, attr):
    # Without platforms there is nothing to split: the images are as configured.
    return {str(platform): {"//command_line_option:platforms": [platform]} for platform in attr.platforms}

# The images of an index differ in their platform only, so that is all that changes.
_platforms_transition = transition(
    implementation = _platforms_transition_impl,
    inputs = [],
    outputs = ["//command_line_option:platforms"],
)

def _oci_image_index_impl(ctx):
    if ctx.attr.platforms and len(ctx.files.images) != len(ctx.attr.platforms):
        fail("{}: attribute images has to be one image when there are platforms, as it is built for each of them".format(ctx.label))
    images = [
        target[DefaultInfo].files.to_list()[0]
        # Bazel sorts the platforms in a way of its own; the index keeps the order of the attribute.
        for platform in [str(platform.label) for platform in ctx.attr.platforms] or [None]
        for target in ctx.split_attr.images[platform]
    ]
    output = ctx.actions.declare_directory(ctx.label.name)
    args = ctx.actions.args()
    args.add("index")
    args.add_all(images, before_each = "--image", expand_directories = False)
    inputs = list(images)
    if ctx.file.annotations:
        args.add("--annotations-file", ctx.file.annotations)
        inputs.append(ctx.file.annotations)
    args.add_all([output], before_each = "--out", expand_directories = False)
    ctx.actions.run(
        executable = ctx.executable._ocilayout,
        arguments = [args],
        inputs = inputs,
        outputs = [output],
        mnemonic = "OCIIndex",
        progress_message = "OCI index %{label}",
    )
    return [DefaultInfo(files = depset([output]), runfiles = ctx.runfiles([output]))]

oci_image_index = rule(
    implementation = _oci_image_index_impl,
    attrs = {
        "annotations": attr.label(doc = "File of NAME=value lines: annotations of the index.", allow_single_file = True),
        "images": attr.label_list(
            doc = "The images; with platforms, one.",
            allow_files = False,
            cfg = _platforms_transition,
            mandatory = True,
        ),
        "platforms": attr.label_list(doc = "Platforms to build the one image for.", providers = [platform_common.PlatformInfo]),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
        "_ocilayout": attr.label(default = Label("//cmd/ocilayout"), executable = True, cfg = "exec"),
    },
    doc = """An index of images for several platforms.

        oci_image_index_rule(
            name = "index",
            images = [":image"],
            platforms = ["//platforms:linux_amd64", "//platforms:linux_arm64"],
        )
    """,
)
