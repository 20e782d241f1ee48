"""Declares provider RpmReleaseInfo."""

visibility("public")

RpmReleaseInfo = provider(
    doc = "One release: an RPM distribution at one point in time, as its lock holds it.",
    fields = {
        "graph": "File: graph.json of the target architecture, or None when the lock does not have the architecture.",
        "lock": "string: label of the lock file, for messages.",
        "name": "string: name of the release, such as `al2023`.",
        "repair": "string: the command that makes the lock again, for messages.",
        "rpmdb_backend": "string: `sqlite`, `ndb` or `bdb`.",
        "rpmdb_path": "string: where images of the release keep their package database.",
        "source_date_epoch": "int: the time that images of the release carry, in seconds.",
    },
)
