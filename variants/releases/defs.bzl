"""Declares macro release_updates: what updates of a release mean for our images."""

load("//rules:defs.bzl", "rpm_update")
load("//variants:defs.bzl", "is_locked")

visibility("//variants/...")

def release_updates(*, name, lock = "rpms.lock.json", refuse = None, hint = None):
    """Targets `images`, `outdated`, `update`, `diff` and `summary` of a release; see README.md of this folder.

    Args:
      name: name of the release.
      lock: the lock.
      refuse: why the release cannot be updated by rpmlock; None: it can.
      hint: what to do instead.
    """
    if not is_locked(name):
        # Nothing can be built, but rpmlock can make the lock, and says what is missing.
        for verb in ["diff", "outdated", "update"]:
            native.alias(name = verb, actual = "@%s//:%s" % (name, verb))
        return
    native.alias(
        name = "images",
        actual = "//variants:images_" + name,
        tags = ["manual"],
        visibility = ["//tools/inventory:__pkg__", "//variants:__subpackages__"],
    )
    for verb in ["diff", "outdated", "summary", "update"]:
        refused = refuse if verb in ["outdated", "update"] else None
        rpm_update(
            name = verb,
            hint = hint if refused else None,
            images = None if refused else "images",
            lock = None if refused else lock,
            manifest = None if refused else "rpms.yaml",
            refuse = refused,
            tags = ["manual"],
            verb = verb,
        )
