"""Tests of the providers and actions of the rules."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")
load("//rules:defs.bzl", "RootfsInfo", "RpmInfo", "RpmRequestInfo", "rpm_binary", "rpm_image", "rpm_package", "rpm_rootfs")

visibility("//rules/tests")

_AMD64 = str(Label("//rules/platforms:linux_amd64"))
_ARM64 = str(Label("//rules/platforms:linux_arm64"))
_CONFIG = {"//command_line_option:platforms": _AMD64}

def _action(env, mnemonic):
    found = [action for action in analysistest.target_actions(env) if action.mnemonic == mnemonic]
    asserts.equals(env, 1, len(found), "number of actions " + mnemonic)
    return found[0]

def _names(closure):
    return sorted([rpm.name for rpm in closure.rpms.to_list()])

# Requests

def _request_impl(ctx):
    env = analysistest.begin(ctx)
    info = analysistest.target_under_test(env)[RpmRequestInfo]
    asserts.equals(env, json.decode(ctx.attr.request), json.decode(json.encode(info.request)))
    asserts.equals(env, ctx.attr.candidates, _names(info.candidates))
    asserts.equals(env, "slimrpm_test", info.release.name)
    asserts.equals(env, "graph_x86_64.json", info.release.graph.basename)

    # The spec reaches the tool as it is, and the tool sees the index of every candidate but no payload.
    spec = [action.content for action in analysistest.target_actions(env) if action.mnemonic == "FileWrite" and action.outputs.to_list()[0].basename.endswith(".elfresolve_spec.json")]
    asserts.equals(env, [json.decode(ctx.attr.request)], json.decode(spec[0])["requests"])
    resolve = _action(env, "ElfResolve")
    inputs = [file.basename for file in resolve.inputs.to_list()]
    asserts.equals(env, len(ctx.attr.candidates), len([name for name in inputs if name == "rpm.index.json"]))
    asserts.false(env, "rpm.payload.tar" in inputs)

    # By itself the target is a layer.
    compose = _action(env, "Rootfs")
    asserts.equals(env, len(ctx.attr.candidates), len([file for file in compose.inputs.to_list() if file.basename == "rpm.payload.tar"]))
    layers = analysistest.target_under_test(env)[DefaultInfo].files.to_list()
    asserts.equals(env, [info.request.label.split(":")[1] + ".layer.tar"], [file.basename for file in layers])
    return analysistest.end(env)

_request_test = analysistest.make(
    _request_impl,
    attrs = {"candidates": attr.string_list(), "request": attr.string()},
    config_settings = _CONFIG,
)

# Explanations

def _explanation_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)

    # The spec names files of all layers, the base first, and each of them is in the runfiles.
    content = [action.content for action in analysistest.target_actions(env) if action.mnemonic == "FileWrite" and action.outputs.to_list()[0].basename.endswith(".explain_spec.json")]
    spec = json.decode(content[0])
    paths = [path for image in spec["images"] for path in [image["tree"]] + image["reports"] + image["selections"]]
    runfiles = [file.short_path for file in target[DefaultInfo].default_runfiles.files.to_list()]
    asserts.equals(env, [], [path for path in paths if path not in runfiles], "paths that are not in the runfiles")
    for image in spec["images"]:
        image["reports"] = [path.split("/")[-1] for path in image["reports"]]
        image["selections"] = [path.split("/")[-1] for path in image["selections"]]
        image["tree"] = image["tree"].split("/")[-1]
    asserts.equals(env, json.decode(ctx.attr.spec), spec)
    asserts.true(env, target[RunEnvironmentInfo].environment["EXPLAIN_SPEC"] in runfiles)
    return analysistest.end(env)

_explanation_test = analysistest.make(_explanation_impl, attrs = {"spec": attr.string()}, config_settings = _CONFIG)

# Root filesystems

def _rootfs_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    info = target[RootfsInfo]
    asserts.equals(env, "x86_64", info.arch)
    asserts.equals(env, ["provider_base.layer.tar", "provider_child.layer.tar"], [file.basename for file in info.layers], "the base comes first")
    asserts.equals(env, list(info.layers), target[DefaultInfo].files.to_list(), "tars of an oci_image, in order")
    asserts.equals(env, ["app", "glibc", "libfoo++", "shell"], _names(info.packages), "packages of the base too")
    asserts.equals(
        env,
        ["provider_base.rootcheck.txt", "provider_child.rootcheck.txt"],
        sorted([file.basename for file in target[OutputGroupInfo]._validation.to_list()]),
        "Bazel adds the checks of dependencies",
    )
    asserts.equals(env, ["provider_child.rootcheck.txt"], [file.basename for file in target[OutputGroupInfo].rootcheck.to_list()])
    asserts.equals(env, ["provider_child.layer.tar"], [file.basename for file in target[OutputGroupInfo].layer.to_list()])

    flags = [argument.split("=")[0] for argument in _action(env, "Rootfs").argv[1:]]
    asserts.equals(env, 2, len([flag for flag in flags if flag == "--payload"]), "shell and glibc may ship")
    asserts.equals(env, 3, len([flag for flag in flags if flag == "--base-index"]), "app, libfoo++ and glibc may be in the base")
    asserts.equals(env, 3, len([flag for flag in flags if flag == "--base-header"]))
    asserts.equals(env, 1, len([flag for flag in flags if flag == "--base-tree"]))
    asserts.equals(env, ["provider_base.selection.json", "provider_child.selection.json"], [file.basename for file in info.selections])
    asserts.equals(env, ["provider_base.report.json", "provider_child.report.json"], [file.basename for file in info.reports])
    resolve = [argument for argument in _action(env, "ElfResolve").argv if argument.startswith("--base-tree=")]
    asserts.true(env, resolve[0].endswith("/provider_base.tree.json"))
    return analysistest.end(env)

_rootfs_test = analysistest.make(_rootfs_impl, config_settings = _CONFIG)

def _spec_impl(ctx):
    env = analysistest.begin(ctx)
    spec = [action.content for action in analysistest.target_actions(env) if action.mnemonic == "FileWrite" and action.outputs.to_list()[0].basename.endswith(".rootfs_spec.json")]
    asserts.equals(env, {
        "accounts": {"users": [{"gid": 1, "name": "u", "uid": 1}]},
        "alternatives": [],
        "alternatives_layout": "",
        "arch": "x86_64",
        "ca_trust": {"anchors": [{"name": "corp", "source": "rules/tests/BUILD.bazel"}], "distrust": [], "formats": []},
        "dirs": [{"mode": "1777", "path": "/tmp"}],
        "files": [{"mode": "0600", "path": "/etc/text", "text": "hello\n"}, {"path": "/etc/label", "source": "rules/tests/lock_test.bzl"}],
        "label": "//rules/tests:provider_spec",
        "ld_so_cache": True,
        "os_release": {},
        "policies": {
            "artifacts": "keep",
            "build_id": "drop",
            "docs": "licenses",
            "gdb": "drop",
            "ima": "drop",
            "info": "drop",
            "locale_dirs": "drop",
            "locales": ["de"],
            "man": "keep",
            "pyc": "keep",
            "setuid": "strip",
            "setuid_allow": ["/usr/bin/mount", "/usr/bin/su"],
            "terminfo": ["*"],
        },
        "release": "slimrpm_test",
        "remove": ["/usr/share/x/**"],
        "rpmdb": {"backend": "sqlite", "path": "/var/lib/rpm"},
        "schema": 1,
        "scriptlets": "error",
        "scriptlets_run": [],
        "scriptlets_skip": {},
        "source_date_epoch": 1700000000,
        "symlinks": [{"path": "/usr/bin/vi", "target": "nvi"}],
        "timezone": "",
    }, json.decode(spec[0]))
    check = [action.content for action in analysistest.target_actions(env) if action.mnemonic == "FileWrite" and action.outputs.to_list()[0].basename.endswith(".rootcheck_spec.json")]
    asserts.equals(
        env,
        {"setuid:/usr/bin/mount": "users mount", "setuid:/usr/bin/su": "why not"},
        json.decode(check[0])["allow"],
        "setuid_allow is an allowance of the check",
    )
    inputs = [file.short_path for file in _action(env, "Rootfs").inputs.to_list()]
    asserts.true(env, "rules/tests/lock_test.bzl" in inputs)
    asserts.true(env, "rules/tests/BUILD.bazel" in inputs)
    return analysistest.end(env)

_spec_test = analysistest.make(_spec_impl, config_settings = _CONFIG)

def _check_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    spec = json.decode([action.content for action in analysistest.target_actions(env) if action.mnemonic == "FileWrite"][-1])
    asserts.equals(env, json.decode(ctx.attr.spec) | {"schema": 1}, {key: value for key, value in spec.items() if value})
    tree = [file.basename for file in _action(env, "RootCheck").inputs.to_list() if file.basename.endswith(".tree.json")]
    asserts.equals(env, [ctx.attr.tree + ".tree.json"], tree, "the whole tree, base included, and no other")
    own = ctx.label.name.removesuffix("_test").removeprefix("providers_") + ".rootcheck.txt"
    asserts.true(env, own in [file.basename for file in target[OutputGroupInfo]._validation.to_list()])
    return analysistest.end(env)

_CHECK_ATTRS = {"spec": attr.string(mandatory = True), "tree": attr.string(mandatory = True)}
_check_test = analysistest.make(_check_impl, attrs = _CHECK_ATTRS, config_settings = _CONFIG)
_check_arm64_test = analysistest.make(_check_impl, attrs = _CHECK_ATTRS, config_settings = {"//command_line_option:platforms": _ARM64})

def _unchecked_impl(ctx):
    env = analysistest.begin(ctx)
    asserts.equals(env, [], [action for action in analysistest.target_actions(env) if action.mnemonic == "RootCheck"])
    asserts.equals(env, [], analysistest.target_under_test(env)[OutputGroupInfo]._validation.to_list())
    return analysistest.end(env)

_unchecked_test = analysistest.make(_unchecked_impl, config_settings = _CONFIG)

# Packages

def _split_impl(_settings, _attr):
    return {platform: {"//command_line_option:platforms": platform} for platform in [_AMD64, _ARM64]}

_split = transition(implementation = _split_impl, inputs = [], outputs = ["//command_line_option:platforms"])

_PathsInfo = provider(doc = "Of one package for two platforms.", fields = {"nevras": "list of string.", "payloads": "list of string: paths."})

def _both_impl(ctx):
    return [_PathsInfo(
        nevras = sorted([target[RpmInfo].nevra for target in ctx.attr.package]),
        payloads = sorted({target[RpmInfo].payload.path: None for target in ctx.attr.package}),
    )]

_both = rule(
    implementation = _both_impl,
    attrs = {
        "package": attr.label(cfg = _split, providers = [RpmInfo]),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
    },
)

def _platforms_impl(ctx):
    env = analysistest.begin(ctx)
    info = analysistest.target_under_test(env)[_PathsInfo]
    asserts.equals(env, ctx.attr.nevras, info.nevras)
    asserts.equals(env, ctx.attr.payloads, len(info.payloads), "number of times that the RPM is unpacked")
    return analysistest.end(env)

_platforms_test = analysistest.make(_platforms_impl, attrs = {"nevras": attr.string_list(), "payloads": attr.int()})

def providers_test_suite(name):
    """All tests of providers and actions.

    Args:
      name: name of the test suite.
    """
    tests = []

    rpm_package(name = "provider_elf", exclude = ["@slimrpm_test//only-x86"], rpms = ["@slimrpm_test//app"], tags = ["manual"])
    rpm_package(name = "provider_requires", deps = "requires", rpms = ["@slimrpm_test//app"], tags = ["manual"])
    rpm_package(name = "provider_none", deps = "none", rpms = ["@slimrpm_test//app"], tags = ["manual"])
    rpm_package(name = "provider_extra", extra = ["@slimrpm_test//shell"], provided = ["@slimrpm_test//glibc"], rpms = ["@slimrpm_test//app-data"], tags = ["manual"])
    rpm_binary(name = "provider_binary", binaries = ["/usr/bin/sh"], config = "files", rpm = "@slimrpm_test//shell", tags = ["manual"])
    rpm_binary(name = "provider_sliced", binaries = ["/usr/bin/sh"], libraries = "slice", rpm = "@slimrpm_test//shell", setuid = "strip", tags = ["manual"])
    rpm_package(name = "provider_scripts", deps = "requires", libraries = "slice", rpms = ["@slimrpm_test//app"], scripts = "drop", tags = ["manual"])
    common = {"deps": "elf", "exclude": [], "extra": [], "libraries": "package", "provided": []}
    package = common | {"kind": "package", "packages": ["app"], "scripts": "keep"}
    binary = common | {"binaries": ["/usr/bin/sh"], "config": "none", "kind": "binary", "packages": ["shell"], "setuid": "keep"}
    for target, request, candidates in [
        ("provider_elf", package | {"exclude": ["only-x86"]}, ["app", "glibc", "libfoo++"]),
        ("provider_requires", package | {"deps": "requires"}, ["app", "app-data", "glibc", "glibc-common", "libfoo++", "shell"]),
        ("provider_none", package | {"deps": "none"}, ["app"]),
        ("provider_extra", package | {"extra": ["shell"], "packages": ["app-data"], "provided": ["glibc"]}, ["app-data", "glibc", "shell"]),
        ("provider_scripts", package | {"deps": "requires", "libraries": "slice", "scripts": "drop"}, ["app", "app-data", "glibc", "glibc-common", "libfoo++", "shell"]),
        ("provider_binary", binary | {"config": "files"}, ["glibc", "shell"]),
        ("provider_sliced", binary | {"libraries": "slice", "setuid": "strip"}, ["glibc", "shell"]),
    ]:
        _request_test(
            name = "%s_%s_test" % (name, target),
            candidates = candidates,
            request = json.encode(request | {"label": "//rules/tests:" + target}),
            target_under_test = target,
        )
        tests.append("%s_%s_test" % (name, target))

    rpm_rootfs(name = "provider_base", contents = [":provider_elf"], tags = ["manual"])
    rpm_rootfs(name = "provider_child", base = ":provider_base", contents = [":provider_binary"], tags = ["manual"])
    _rootfs_test(name = name + "_rootfs_test", target_under_test = "provider_child")

    rpm_rootfs(
        name = "provider_spec",
        accounts = {"users": [{"gid": 1, "name": "u", "uid": 1}]},
        ca_anchors = {"corp": "BUILD.bazel"},
        check = {"allow": {"setuid:/usr/bin/su": "why not"}},
        contents = [":provider_elf"],
        dirs = {"/tmp": {"mode": "1777"}},
        files = {
            "/etc/label": "lock_test.bzl",
            "/etc/text": {"mode": "0600", "text": "hello\n"},
        },
        locales = ["de"],
        man = "keep",
        remove = ["/usr/share/x/**"],
        setuid = "strip",
        setuid_allow = {"/usr/bin/mount": "users mount"},
        symlinks = {"/usr/bin/vi": "nvi"},
        tags = ["manual"],
    )
    _spec_test(name = name + "_spec_test", target_under_test = "provider_spec")

    rpm_rootfs(name = "provider_unchecked", check = None, contents = [":provider_elf"], tags = ["manual"])
    _unchecked_test(name = name + "_unchecked_test", target_under_test = "provider_unchecked")

    # Checks: of a child with what its base allows, of an image with its config, of an image whose root filesystem is not checked.
    rpm_rootfs(name = "check_base", check = {"allow": {"setuid:/x": "why not"}, "shell": True}, contents = [":provider_elf"], tags = ["manual"])
    rpm_rootfs(name = "check_child", base = ":check_base", check = {"size_budget": 5}, contents = [":provider_binary"], tags = ["manual"])
    rpm_rootfs(name = "check_none", base = ":check_child", check = None, tags = ["manual"])
    rpm_image(name = "check_config", check = {"allow": {"entrypoint:/y": "mounted"}}, cmd = ["x"], entrypoint = ["/y"], env = {"PATH": "/z"}, rootfs = ":check_child", tags = ["manual"], user = "u:g", workdir = "/w")
    rpm_image(name = "check_whole", check = {"shell": True}, rootfs = ":check_none", tags = ["manual"])
    rpm_image(name = "check_made", base = ":check_base", check = {"allow": {"entrypoint:/y": "mounted", "setgid:/y": "x"}}, tags = ["manual"])
    checks = []
    for target, tree, spec in [
        ("check_child", "check_child", {"base_allow": {"setuid:/x": "why not"}, "base_shell": True, "size_budget": 5}),
        ("check_config_layers", "check_child", {
            "allow": {"entrypoint:/y": "mounted"},
            "cmd": ["x"],
            "entrypoint": ["/y"],
            "path": "/z",
            "scope": "config",
            "user": "u:g",
            "workdir": "/w",
        }),
        ("check_whole_layers", "check_none", {"base_allow": {"setuid:/x": "why not"}, "base_shell": True, "shell": True}),
        ("check_made_layers", "check_made_rootfs", {"allow": {"entrypoint:/y": "mounted"}, "scope": "config"}),
        ("check_made_rootfs", "check_made_rootfs", {"allow": {"setgid:/y": "x"}, "base_allow": {"setuid:/x": "why not"}, "base_shell": True}),
    ]:
        label = "//rules/tests:" + target.removesuffix("_layers")
        checks.append("%s_%s_test" % (name, target))
        _check_test(name = checks[-1], spec = json.encode(spec | {"arch": "x86_64", "label": label}), target_under_test = target, tree = tree)
    _check_arm64_test(
        name = name + "_check_base_test",
        spec = json.encode({"allow": {"setuid:/x": "why not"}, "arch": "aarch64", "label": "//rules/tests:check_base", "shell": True}),
        target_under_test = "check_base",
        tree = "check_base",
    )

    _explanation_test(
        name = name + "_explanation_test",
        spec = json.encode({"images": [{
            "reports": ["0.provider_base.report.json", "1.provider_child.report.json"],
            "selections": ["0.provider_base.selection.json", "1.provider_child.selection.json"],
            "tree": "0.provider_child.tree.json",
        }], "schema": 1, "verb": "why"}),
        target_under_test = "provider_child_why",
    )

    _both(name = "provider_app_on_both", package = "@slimrpm_test//app", tags = ["manual"])
    _platforms_test(name = name + "_platforms_test", nevras = ["app-1-1.aarch64", "app-1-1.x86_64"], payloads = 2, target_under_test = "provider_app_on_both")
    _both(name = "provider_data_on_both", package = "@slimrpm_test//app-data", tags = ["manual"])
    _platforms_test(name = name + "_noarch_test", nevras = ["app-data-1-1.noarch", "app-data-1-1.noarch"], payloads = 1, target_under_test = "provider_data_on_both")

    native.test_suite(
        name = name,
        tests = tests + checks + [name + suffix for suffix in ["_rootfs_test", "_check_base_test", "_spec_test", "_unchecked_test", "_platforms_test", "_noarch_test", "_explanation_test"]],
    )
