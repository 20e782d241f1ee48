"""Declares provider RootfsInfo."""

visibility("public")

RootfsInfo = provider(
    doc = "A root filesystem: its layers and what is known about them.",
    fields = {
        "arch": "string: RPM architecture, such as `x86_64`.",
        "compressed_layers": "tuple of File: `layers` as gzip, in the same order; made only where something asks for them.",
        "layers": "tuple of File: layer tars, the oldest first. All of them make the root filesystem; the last one is what this target adds.",
        "packages": "RpmClosureInfo: every package that some layer may hold.",
        "release": "RpmReleaseInfo: the release of the packages.",
        "reports": "tuple of File: report.json of each layer, in the order of `layers`: packages, sizes, what was left out and why.",
        "selections": "tuple of File: selection.json of each layer: packages and the reasons for each.",
        "tree": "File: tree.json, every path of all layers.",
    },
)
