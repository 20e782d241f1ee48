"""Declares rule rpm_archive: unpacks one RPM."""

load("//rules:toolchain.bzl", "TOOLCHAIN_TYPE")
load("//rules/private:transitions.bzl", "any_platform")

# Loaded by the repositories that the module extension makes.
visibility("public")

RpmArchiveInfo = provider(
    doc = "An unpacked RPM.",
    fields = {
        "header": "File: the bytes of the RPM before its payload.",
        "index": "File: index.json.",
        "nevra": "string: name-[epoch:]version-release.arch.",
        "payload": "File: tar of the files.",
    },
)

def _rpm_archive_impl(ctx):
    archive = RpmArchiveInfo(
        header = ctx.actions.declare_file(ctx.label.name + ".header.bin"),
        index = ctx.actions.declare_file(ctx.label.name + ".index.json"),
        nevra = ctx.attr.nevra,
        payload = ctx.actions.declare_file(ctx.label.name + ".payload.tar"),
    )
    args = ctx.actions.args()
    args.add(ctx.file.rpm, format = "--rpm=%s")
    args.add(ctx.attr.sha256, format = "--sha256=%s")
    args.add(ctx.attr.nevra, format = "--nevra=%s")
    args.add(archive.payload, format = "--payload=%s")
    args.add(archive.index, format = "--index=%s")
    args.add(archive.header, format = "--header=%s")
    ctx.actions.run(
        mnemonic = "RpmExtract",
        progress_message = "Unpacking %s" % ctx.attr.nevra,
        executable = ctx.toolchains[TOOLCHAIN_TYPE].rpm.rpmextract,
        arguments = [args],
        inputs = [ctx.file.rpm],
        outputs = [archive.payload, archive.index, archive.header],
        toolchain = TOOLCHAIN_TYPE,
    )
    return [
        archive,
        DefaultInfo(files = depset([archive.payload])),
        OutputGroupInfo(
            header = depset([archive.header]),
            index = depset([archive.index]),
            payload = depset([archive.payload]),
        ),
    ]

rpm_archive = rule(
    implementation = _rpm_archive_impl,
    doc = "Unpacks one RPM into a tar of its files, index.json and header. `@<release>_<package>_<arch>//:rpm` is one.",
    attrs = {
        "nevra": attr.string(doc = "What the lock says that the RPM is; the tool refuses another one.", mandatory = True),
        "rpm": attr.label(doc = "The .rpm file.", allow_single_file = True, mandatory = True),
        "sha256": attr.string(doc = "What the lock says that the digest of the file is.", mandatory = True),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
    },
    cfg = any_platform,
    provides = [RpmArchiveInfo],
    toolchains = [TOOLCHAIN_TYPE],
)
