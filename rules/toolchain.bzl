"""Declares rule rpm_toolchain: the programs that the rules run."""

visibility("public")

TOOLCHAIN_TYPE = Label("//rules:toolchain_type")

_TOOLS = {
    "basetree": "Reads an image of others.",
    "content": "Reads what is no RPM package.",
    "elfresolve": "Resolves a request to packages and files.",
    "explain": "Says why something is in an image; only `bazel run` runs it.",
    "layergzip": "Compresses one layer.",
    "rootcheck": "Checks a finished tree.",
    "rootfs": "Composes layers.",
    "rpmextract": "Unpacks one RPM.",
    "rpmfetch": "Downloads what a lock names. It uses the network, so it is never part of a build action.",
    "rpmlock": "Makes and asks locks. It uses the network, so it is never part of a build action.",
    "sbom": "Lists what a root filesystem holds.",
}

def _rpm_toolchain_impl(ctx):
    return [platform_common.ToolchainInfo(
        rpm = struct(**{tool: getattr(ctx.attr, tool)[DefaultInfo].files_to_run for tool in _TOOLS}),
    )]

rpm_toolchain = rule(
    implementation = _rpm_toolchain_impl,
    doc = """Names the programs that the rules run.

The default one, `@rules_slimrpm//rules/toolchains:from_source`, builds them. To use prebuilt ones:

    rpm_toolchain(
        name = "prebuilt",
        elfresolve = "//prebuilt:elfresolve",
        ...
    )

    toolchain(
        name = "prebuilt_toolchain",
        toolchain = ":prebuilt",
        toolchain_type = "@rules_slimrpm//rules:toolchain_type",
    )
""",
    attrs = {
        tool: attr.label(doc = doc, mandatory = True, executable = True, cfg = "exec")
        for tool, doc in _TOOLS.items()
    },
)
