"""Declares rule oci_push: a program that pushes an image to a registry."""

load(":runfile.bzl", "runfile_path", "target_program")

visibility("//oci/...")

def _oci_push_impl(ctx):
    if ctx.attr.repository and ctx.file.repository_file:
        fail("{}: attributes repository and repository_file are both set, want one".format(ctx.label))
    last = ctx.attr.repository.split("/")[-1]
    if "@" in ctx.attr.repository or ":" in last:
        fail("{}: attribute repository is {}, want it without digest and tag; tags go into remote_tags".format(ctx.label, ctx.attr.repository))
    program = target_program(
        ctx,
        program = ctx.executable._ocipush,
        content = struct(
            layout = runfile_path(ctx, ctx.file.image),
            repository = ctx.attr.repository,
            repository_file = runfile_path(ctx, ctx.file.repository_file),
            tags_file = runfile_path(ctx, ctx.file.remote_tags),
        ),
        files = [ctx.file.image, ctx.file.repository_file, ctx.file.remote_tags],
    )
    return [DefaultInfo(
        executable = program.executable,
        runfiles = program.runfiles.merge(ctx.attr._ocipush[DefaultInfo].default_runfiles),
    )]

oci_push = rule(
    implementation = _oci_push_impl,
    attrs = {
        "image": attr.label(doc = "An oci_image or oci_image_index.", allow_single_file = True, mandatory = True),
        "remote_tags": attr.label(doc = "File with a tag per line.", allow_single_file = True),
        "repository": attr.string(doc = "Where to push to, without digest and tag; `--repository` overrides it."),
        "repository_file": attr.label(doc = "File with the repository, instead of the attribute.", allow_single_file = True),
        "_ocipush": attr.label(default = Label("//cmd/ocipush"), executable = True, cfg = "exec"),
    },
    doc = """A program that pushes an image or an index to a registry, by digest first, then its tags.

        oci_push_rule(
            name = "push",
            image = ":index",
            repository = "registry.example.com/image",
        )
    """,
    executable = True,
)
