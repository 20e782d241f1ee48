"""Defines the extension that Bazel's own tools take the buildozer program from."""

visibility("public")

def _compiled_buildozer_impl(repository_ctx):
    repository_ctx.file("BUILD.bazel", "")

    # third_party/airgap/prepare puts the program beside this file.
    repository_ctx.symlink(Label("//:buildozer"), "buildozer.exe")

_compiled_buildozer = repository_rule(
    implementation = _compiled_buildozer_impl,
    doc = "The buildozer that third_party/airgap/prepare has compiled.",
)

def _buildozer_binary_impl(_module_ctx):
    _compiled_buildozer(name = "buildozer_binary")

buildozer_binary = module_extension(
    implementation = _buildozer_binary_impl,
    doc = "Provides @buildozer_binary.",
)
