"""Declares rule oci_load: a program that loads an image into a container engine."""

load(":runfile.bzl", "runfile_path", "target_program")

visibility("//oci/...")

def _oci_load_impl(ctx):
    tarball = ctx.actions.declare_file("{}/tarball.tar".format(ctx.label.name))
    args = ctx.actions.args()
    args.add("archive")
    args.add_all([ctx.file.image], before_each = "--layout", expand_directories = False)
    args.add("--format", ctx.attr.format)
    args.add("--tags-file", ctx.file.repo_tags)
    args.add("--out", tarball)
    ctx.actions.run(
        executable = ctx.executable._ocilayout,
        arguments = [args],
        inputs = [ctx.file.image, ctx.file.repo_tags],
        outputs = [tarball],
        mnemonic = "OCITarball",
        progress_message = "OCI tarball %{label}",
    )
    program = target_program(
        ctx,
        program = ctx.executable._ociload,
        content = struct(
            format = ctx.attr.format,
            layout = runfile_path(ctx, ctx.file.image),
            loader = runfile_path(ctx, ctx.executable.loader),
            tags = runfile_path(ctx, ctx.file.repo_tags),
        ),
        files = [ctx.file.image, ctx.file.repo_tags, ctx.executable.loader],
    )
    runfiles = program.runfiles.merge(ctx.attr._ociload[DefaultInfo].default_runfiles)
    if ctx.attr.loader:
        runfiles = runfiles.merge(ctx.attr.loader[DefaultInfo].default_runfiles)
    return [
        DefaultInfo(executable = program.executable, runfiles = runfiles),
        # Large and rarely needed, so not among the default outputs.
        OutputGroupInfo(tarball = depset([tarball])),
    ]

oci_load = rule(
    implementation = _oci_load_impl,
    attrs = {
        "format": attr.string(doc = "docker for an oci_image, oci for an oci_image_index.", default = "docker", values = ["docker", "oci"]),
        "image": attr.label(doc = "An oci_image or oci_image_index.", allow_single_file = True, mandatory = True),
        "loader": attr.label(doc = "The container engine's program; without, docker, podman or nerdctl of PATH.", allow_files = True, executable = True, cfg = "target"),
        "repo_tags": attr.label(doc = "File with a REPOSITORY:TAG per line.", allow_single_file = [".txt"], mandatory = True),
        "_ocilayout": attr.label(default = Label("//cmd/ocilayout"), executable = True, cfg = "exec"),
        "_ociload": attr.label(default = Label("//cmd/ociload"), executable = True, cfg = "exec"),
    },
    doc = """A program that loads an image into docker, podman or nerdctl. Output group `tarball` is what it loads.

        oci_tarball_rule(
            name = "load",
            image = ":image",
            repo_tags = ":tags.txt",
        )
    """,
    executable = True,
)
