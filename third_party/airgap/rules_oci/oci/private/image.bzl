"""Declares rule oci_image: an OCI image layout of one image."""

visibility("//oci/...")

_LAYER_ENDINGS = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst"]

def _describe(ctx, index, layer):
    """Declares the action that reads a layer. It is one per layer: nothing else of the image changes it."""
    description = ctx.actions.declare_file("{}.{}.descriptor.json".format(ctx.label.name, index))
    args = ctx.actions.args()
    args.add("layer")
    args.add("--in", layer)
    args.add(layer.owner, format = "--created-by=bazel build %s")
    args.add("--out", description)
    ctx.actions.run(
        executable = ctx.executable._ocilayout,
        arguments = [args],
        inputs = [layer],
        outputs = [description],
        mnemonic = "OCIDescriptor",
        progress_message = "OCI descriptor %{input}",
    )
    return description

def _oci_image_impl(ctx):
    if ctx.file.base:
        for name in ["os", "architecture", "variant"]:
            if getattr(ctx.attr, name):
                fail("{}: attribute {} is {}, but with base it comes from the base".format(ctx.label, name, getattr(ctx.attr, name)))
    elif not ctx.attr.os or not ctx.attr.architecture:
        fail("{}: attributes os and architecture are needed, as there is no base".format(ctx.label))

    args = ctx.actions.args()
    args.add("image")
    inputs = []
    if ctx.file.base:
        args.add_all([ctx.file.base], before_each = "--base", expand_directories = False)
        inputs.append(ctx.file.base)
    for name in ["os", "architecture", "variant", "user", "workdir"]:
        if getattr(ctx.attr, name):
            args.add(getattr(ctx.attr, name), format = "--{}=%s".format(name))
    for index, layer in enumerate(ctx.files.tars):
        description = _describe(ctx, index, layer)
        args.add("--layer", layer)
        args.add("--description", description)
        inputs += [layer, description]
    for name in ["created", "entrypoint", "cmd", "env", "labels", "annotations", "exposed_ports", "volumes"]:
        file = getattr(ctx.file, name)
        if file:
            args.add("--{}-file".format(name.replace("_", "-")), file)
            inputs.append(file)
    output = ctx.actions.declare_directory(ctx.label.name)
    args.add_all([output], before_each = "--out", expand_directories = False)
    ctx.actions.run(
        executable = ctx.executable._ocilayout,
        arguments = [args],
        inputs = inputs,
        outputs = [output],
        mnemonic = "OCIImage",
        progress_message = "OCI image %{label}",
    )
    return [DefaultInfo(files = depset([output]), runfiles = ctx.runfiles([output]))]

oci_image = rule(
    implementation = _oci_image_impl,
    attrs = {
        "annotations": attr.label(doc = "File of NAME=value lines: annotations of the manifest.", allow_single_file = True),
        "architecture": attr.string(doc = "Architecture of the programs, as Go names it: amd64, arm64, ..."),
        "base": attr.label(doc = "The oci_image to build on.", allow_single_file = True),
        "cmd": attr.label(doc = "File with one argument per line: default arguments.", allow_single_file = True),
        "created": attr.label(doc = "File with the time of creation; 1970 without.", allow_single_file = True),
        "entrypoint": attr.label(doc = "File with one argument per line: the command. Resets cmd of the base.", allow_single_file = True),
        "env": attr.label(doc = "File of NAME=value lines. Values may refer to $NAME and ${NAME} of the base.", allow_single_file = True),
        "exposed_ports": attr.label(doc = "File with a comma separated list of ports.", allow_single_file = True),
        "labels": attr.label(doc = "File of NAME=value lines: labels of the configuration.", allow_single_file = True),
        "os": attr.string(doc = "Operating system of the programs, as Go names it."),
        "resource_set": attr.string(doc = "Accepted and not used: the actions are small.", default = "default"),
        "tars": attr.label_list(doc = "Layers, lowest first, compressed or not; they stay as they are.", allow_files = _LAYER_ENDINGS),
        "user": attr.string(doc = "User of the process: name or number, with an optional group after a colon."),
        "variant": attr.string(doc = "Variant of the architecture: v7, v8, ..."),
        "volumes": attr.label(doc = "File with a comma separated list of folders.", allow_single_file = True),
        "workdir": attr.string(doc = "Working directory of the process."),
        "_ocilayout": attr.label(default = Label("//cmd/ocilayout"), executable = True, cfg = "exec"),
    },
    doc = """An OCI image layout of one image.

        oci_image_rule(
            name = "image",
            architecture = "amd64",
            os = "linux",
            tars = [":layer"],
        )
    """,
)
