"""Declares rule release_command: `bazel run` of one program on a release."""

load("//rules:toolchain.bzl", "TOOLCHAIN_TYPE")

# Loaded by the hub repositories that the module extension makes.
visibility("public")

def _release_command_impl(ctx):
    executable = ctx.actions.declare_file(ctx.label.name)
    tool = getattr(ctx.toolchains[TOOLCHAIN_TYPE].rpm, ctx.attr.tool)
    ctx.actions.symlink(output = executable, target_file = tool.executable, is_executable = True)
    return [DefaultInfo(executable = executable, runfiles = ctx.runfiles([tool.executable]))]

release_command = rule(
    implementation = _release_command_impl,
    doc = "Runs rpmlock or rpmfetch on a lock of the workspace; the verb and the files are in `args`.",
    attrs = {
        "tool": attr.string(doc = "The program.", mandatory = True, values = ["rpmfetch", "rpmlock"]),
    },
    executable = True,
    toolchains = [TOOLCHAIN_TYPE],
)
