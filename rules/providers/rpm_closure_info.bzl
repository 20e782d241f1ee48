"""Declares provider RpmClosureInfo."""

visibility("public")

def _init(*, rpms = [], closures = []):
    return {
        "files": depset(
            [file for rpm in rpms for file in [rpm.index, rpm.payload, rpm.header]],
            transitive = [closure.files for closure in closures],
        ),
        "indexes": depset([rpm.index for rpm in rpms], transitive = [closure.indexes for closure in closures]),
        "rpms": depset(rpms, transitive = [closure.rpms for closure in closures]),
    }

RpmClosureInfo, _ = provider(
    doc = "Packages that a request may ship: everything that edges of certain kinds reach from its packages.",
    fields = {
        "files": "depset of File: index, payload and header of every package.",
        "indexes": "depset of File: index of every package.",
        "rpms": "depset of RpmInfo: the packages; all of them are locked for the target architecture.",
    },
    init = _init,
)
