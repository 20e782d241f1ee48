"""What a user says about the check of a finished tree, the attribute `check`."""

visibility("//rules/...")

# Key of `check` -> its type.
_KEYS = {
    "allow": "dict",
    "cmd": "list",
    "entrypoint": "list",
    "path": "string",
    "shell": "bool",
    "size_budget": "int",
    "user": "string",
    "workdir": "string",
}

# Codes of findings about an image config; all others are about the tree. See rules/docs/checks.md.
_CONFIG_CODES = ["entrypoint", "user-unknown"]

def read_check(target, check):
    """Checks the form of `check`; what its codes and paths mean is the tool's business.

    Args:
      target: string, for messages: what the target is called.
      check: value of the attribute.

    Returns:
      check.
    """
    if check == None:
        return None
    if type(check) != "dict":
        fail("%s: check is %s; it must be a dict, or None for a root filesystem that is only a base" % (target, repr(check)))
    for key, value in check.items():
        if key not in _KEYS:
            fail("%s: check has %s; what it may have is %s" % (target, repr(key), ", ".join(sorted(_KEYS))))
        if type(value) != _KEYS[key]:
            fail("%s: check has %s = %s, a %s; it must be a %s%s" % (
                target,
                key,
                repr(value),
                type(value),
                _KEYS[key],
                ", such as {\"setuid:/usr/bin/mount\": \"users mount\"}" if key == "allow" else "",
            ))
    return check

def split_check(check):
    """Tells what `check` of an image says about its tree from what it says about its config.

    Args:
      check: dict, as read_check returns it.

    Returns:
      tuple of two dicts: for the tree, for the config.
    """
    allow = check.get("allow", {})
    tree = {key: value for key, value in check.items() if key != "allow"}
    config = {}
    for key, reason in allow.items():
        part = config if key.split(":")[0] in _CONFIG_CODES else tree
        part["allow"] = part.get("allow", {}) | {key: reason}
    return tree, config
