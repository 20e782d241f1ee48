"""Declares provider RpmInfo."""

visibility("public")

RpmInfo = provider(
    doc = """One package of a release, for the target architecture.

A package that the lock does not have for the target architecture has None in every field but `name` and `release`, so that it can be
named in `exclude`; asking for it is an error.""",
    fields = {
        "header": "File: the bytes of the RPM before its payload, or None.",
        "index": "File: index.json, what the tools know about the RPM, or None.",
        "name": "string: name of the package.",
        "nevra": "string: name-[epoch:]version-release.arch, or None.",
        "payload": "File: tar of the files, or None.",
        "release": "RpmReleaseInfo: the release that the package belongs to.",
    },
)
