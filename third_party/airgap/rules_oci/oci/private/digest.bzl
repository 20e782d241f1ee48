"""Declares rule oci_digest: the digest of an image or an index, as a file."""

visibility("//oci/...")

def _oci_digest_impl(ctx):
    args = ctx.actions.args()
    args.add("digest")
    args.add_all([ctx.file.layout], before_each = "--layout", expand_directories = False)
    args.add("--out", ctx.outputs.out)
    ctx.actions.run(
        executable = ctx.executable._ocilayout,
        arguments = [args],
        inputs = [ctx.file.layout],
        outputs = [ctx.outputs.out],
        mnemonic = "OCIDigest",
        progress_message = "OCI digest %{label}",
    )
    return [DefaultInfo(files = depset([ctx.outputs.out]))]

oci_digest = rule(
    implementation = _oci_digest_impl,
    attrs = {
        "layout": attr.label(doc = "An oci_image or oci_image_index.", allow_single_file = True, mandatory = True),
        "out": attr.output(doc = "The file to write.", mandatory = True),
        "_ocilayout": attr.label(default = Label("//cmd/ocilayout"), executable = True, cfg = "exec"),
    },
    doc = "Writes the digest of an image or an index into a file.",
)
