"""Declares repository rule debrpm_release: the prepared debrpm release as a repository."""

visibility("public")

_VARIABLE = "SLIMRPM_DEBRPM"

_BUILD = """\
exports_files(["rpms.lock.json"])
"""

def _debrpm_release_impl(ctx):
    ctx.file("REPO.bazel")
    ctx.file("BUILD.bazel", _BUILD)
    folder = ctx.getenv(_VARIABLE)
    if not folder:
        # An empty lock: whatever needs a package of debrpm fails with the command that makes the release.
        ctx.file("rpms.lock.json", "{}\n")
        return
    for name in ["rpms.lock.json", "repo"]:
        source = ctx.path(folder).get_child(name)
        if not source.exists:
            fail("%s=%s: it has no %s\nhint: third_party/debrpm/prepare makes this folder; ./bazelw runs it and sets the variable" % (_VARIABLE, folder, name))
        if name != "repo":
            ctx.watch(source)
        ctx.symlink(source, name)

debrpm_release = repository_rule(
    implementation = _debrpm_release_impl,
    doc = """The folder that third_party/debrpm/prepare made, which the environment variable SLIMRPM_DEBRPM names.

Without the variable its lock is empty, so that everything else still loads and builds.""",
    environ = [_VARIABLE],
    local = True,
)
