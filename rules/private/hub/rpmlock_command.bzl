"""Declares rule rpmlock_command: `bazel run` of one verb of rpmlock."""

load("//rules:toolchain.bzl", "TOOLCHAIN_TYPE")

# Loaded by the hub repositories that the module extension makes.
visibility("public")

def _rpmlock_command_impl(ctx):
    executable = ctx.actions.declare_file(ctx.label.name)
    tool = ctx.toolchains[TOOLCHAIN_TYPE].rpm.rpmlock
    ctx.actions.symlink(output = executable, target_file = tool.executable, is_executable = True)
    return [DefaultInfo(executable = executable, runfiles = ctx.runfiles([tool.executable]))]

rpmlock_command = rule(
    implementation = _rpmlock_command_impl,
    doc = "Runs rpmlock on a lock of the workspace; the verb and the files are in `args`.",
    executable = True,
    toolchains = [TOOLCHAIN_TYPE],
)
