"""The policies of rpm_rootfs: which files of packages an image leaves out."""

load(":actions.bzl", "show_label")

visibility("//rules/...")

# Attribute -> its values; the first is the default.
_CHOICES = {
    "artifacts": ["keep", "drop"],
    "build_id": ["drop", "keep"],
    "docs": ["licenses", "rpm", "keep"],
    "gdb": ["drop", "keep"],
    "ima": ["drop", "keep"],
    "info": ["drop", "keep"],
    "locale_dirs": ["drop", "keep"],
    "man": ["drop", "keep"],
    "pyc": ["keep", "drop"],
    "setuid": ["keep", "strip"],
}

POLICY_ATTRS = {
    name: attr.string(default = values[0], doc = "Policy: %s." % " or ".join(values))
    for name, values in _CHOICES.items()
} | {
    "locales": attr.string_list(doc = "Policy: languages to keep; * keeps all."),
    "setuid_allow": attr.string_dict(doc = "Policy: glob -> reason."),
    "terminfo": attr.string_list(default = ["*"], doc = "Policy: terminals to keep; * keeps all."),
}

_ALLOW = "setuid:"

def read_policies(ctx, check):
    """Checks the policies of a target.

    Args:
      ctx: context of a rule with POLICY_ATTRS.
      check: dict, fields of check.Spec, or None.

    Returns:
      tuple of dict, fields of compose.Policies; and check with what setuid_allow adds to it.
    """
    policies = {}
    for name, values in _CHOICES.items():
        policies[name] = getattr(ctx.attr, name)
        if policies[name] not in values:
            _fail(ctx, name, policies[name], "it must be " + _alternatives(values))
    for name in ["locales", "terminfo"]:
        policies[name] = getattr(ctx.attr, name)
        for item in policies[name]:
            if not item or len([char for char in item.elems() if char in ":|,/ "]) > 0:
                _fail(ctx, name, item, "give one name an item, such as %s" % {"locales": '["de", "en_US"]', "terminfo": '["linux", "xterm"]'}[name])
        if "*" in policies[name] and len(policies[name]) > 1:
            _fail(ctx, name, "*", "it keeps everything, so it must be the only item")
    for glob, reason in ctx.attr.setuid_allow.items():
        if not glob.startswith("/"):
            _fail(ctx, "setuid_allow", glob, "it must be the absolute path in the image, such as \"/usr/bin/mount\"")
        if not reason.strip():
            _fail(ctx, "setuid_allow", glob, "it must come with the reason why the file may have its set-user-ID bit")

    allowed = {_ALLOW + glob: reason for glob, reason in ctx.attr.setuid_allow.items()}
    if check != None and allowed:
        check = check | {"allow": check.get("allow", {}) | allowed}
    if policies["setuid"] == "strip":
        allow = check.get("allow", {}) if check != None else allowed
        policies["setuid_allow"] = sorted([key.removeprefix(_ALLOW) for key in allow if key.startswith(_ALLOW)])
    return policies, check

def _fail(ctx, attribute, value, right):
    fail("%s: attribute %s: %s: %s" % (show_label(ctx.label), attribute, json.encode(value), right))

def _alternatives(values):
    quoted = [json.encode(value) for value in values]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]])
