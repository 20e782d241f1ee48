"""Tests of the messages of targets that cannot be analyzed."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")
load("//rules:defs.bzl", "rpm_base_image", "rpm_binary", "rpm_image", "rpm_inventory", "rpm_package", "rpm_rootfs", "rpm_update")
load("//rules/private:rpm_image_layers.bzl", "rpm_image_layers")

visibility("//rules/tests")

def _impl(ctx):
    env = analysistest.begin(ctx)
    for text in ctx.attr.messages:
        asserts.expect_failure(env, text)
    return analysistest.end(env)

_ATTRS = {"messages": attr.string_list(mandatory = True)}

_AMD64 = str(Label("//rules/platforms:linux_amd64"))
_ARM64 = str(Label("//rules/platforms:linux_arm64"))
_ANY = str(Label("//rules/platforms:any"))
_PLATFORMS = "//command_line_option:platforms"

_amd64_test = analysistest.make(_impl, attrs = _ATTRS, config_settings = {_PLATFORMS: _AMD64}, expect_failure = True)
_arm64_test = analysistest.make(_impl, attrs = _ATTRS, config_settings = {_PLATFORMS: _ARM64}, expect_failure = True)
_no_architecture_test = analysistest.make(_impl, attrs = _ATTRS, config_settings = {_PLATFORMS: _ANY}, expect_failure = True)

def failures_test_suite(name):
    """All tests of messages.

    Args:
      name: name of the test suite.
    """
    tests = []

    def_test = _definer(name, tests)

    rpm_package(name = "unlocked", rpms = ["@slimrpm_test_unlocked//app"], tags = ["manual"])
    def_test(_amd64_test, "unlocked", [
        "release slimrpm_test_unlocked has no lock yet: //rules/tests/release:absent.lock.json",
        "hint: bazel run @slimrpm_test_unlocked//:lock",
    ])

    rpm_package(name = "unlocked_with_only", rpms = ["@slimrpm_test_unlocked//only-x86"], deps = "requires", tags = ["manual"])
    def_test(_amd64_test, "unlocked_with_only", ["hint: bazel run @slimrpm_test_unlocked//:lock"])

    rpm_package(name = "stale", rpms = ["@slimrpm_test_stale//app"], tags = ["manual"])
    def_test(_amd64_test, "stale", [
        "the lock of release slimrpm_test_stale is stale: //rules/tests/release:stale.lock.json was made from another //rules/tests/release:rpms.yaml",
        "hint: make locks",
    ])

    rpm_package(name = "one_architecture", rpms = ["@slimrpm_test//only-x86"], tags = ["manual"])
    def_test(_arm64_test, "one_architecture", [
        "//rules/tests:one_architecture: package only-x86 is not locked for aarch64 in //rules/tests/release:rpms.lock.json",
        "hint: choose it by select()",
        "bazel run @slimrpm_test//:lock",
    ])

    rpm_inventory(name = "inventory_names", names = ["one", "two"], release = "slimrpm_test", tags = ["manual"])
    def_test(_amd64_test, "inventory_names", [
        "//rules/tests:inventory_names: attribute names has 2 names, attribute rootfs 0 root filesystems for 0 platforms; want a name for each",
    ])

    rpm_update(name = "update_files", tags = ["manual"], verb = "update")
    def_test(_amd64_test, "update_files", ["//rules/tests:update_files: attributes manifest, lock and images must be set, or refuse"])

    rpm_package(name = "no_architecture", rpms = ["@slimrpm_test//app"], tags = ["manual"])
    def_test(_no_architecture_test, "no_architecture", ["package app is not locked for the target platform"])

    rpm_rootfs(name = "base", contents = [":app"], tags = ["manual"])
    rpm_rootfs(name = "mixed", base = ":base", contents = [":other_app"], tags = ["manual"])
    rpm_package(name = "app", rpms = ["@slimrpm_test//app"], tags = ["manual"])
    rpm_package(name = "other_app", rpms = ["@slimrpm_test_other//app"], tags = ["manual"])
    def_test(_amd64_test, "mixed", [
        "//rules/tests:other_app belongs to release slimrpm_test_other, other contents to slimrpm_test",
    ])

    rpm_package(name = "mixed_packages", rpms = ["@slimrpm_test//app", "@slimrpm_test_other//glibc"], tags = ["manual"])
    def_test(_amd64_test, "mixed_packages", ["belongs to release slimrpm_test_other, other contents to slimrpm_test"])

    native.alias(name = "my_app", actual = "@slimrpm_test//app", tags = ["manual"])
    rpm_package(name = "aliased", rpms = [":my_app"], tags = ["manual"])
    def_test(_amd64_test, "aliased", ["name package @@", "//app:app by its own label, not through an alias"])

    rpm_binary(name = "relative", binaries = ["app"], rpm = "@slimrpm_test//app", tags = ["manual"])
    def_test(_amd64_test, "relative", ["binaries has \"app\"; give the absolute path in the image, such as \"/usr/bin/app\""])

    rpm_rootfs(name = "empty", tags = ["manual"])
    def_test(_amd64_test, "empty", ["//rules/tests:empty: neither contents nor base has packages"])

    rpm_base_image(name = "foreign", image = "closures_test.bzl", tags = ["manual"])
    def_test(_no_architecture_test, "foreign", ["//rules/tests:foreign: images can be read for the architectures aarch64, x86_64 only", "hint: pass --platforms="])

    rpm_rootfs(name = "foreign_alone", base = ":foreign", tags = ["manual"])
    def_test(_amd64_test, "foreign_alone", ["//rules/tests:foreign_alone: base //rules/tests:foreign is an image of others, so contents must say which release"])

    rpm_rootfs(name = "on_foreign", base = ":foreign", contents = [":app"], tags = ["manual"])
    rpm_image_layers(name = "no_base_image", compression = "gzip", rootfs = ":on_foreign", tags = ["manual"])
    def_test(_amd64_test, "no_base_image", [
        "the root filesystem //rules/tests:on_foreign stands on image //rules/tests:closures_test.bzl, but base_image is not set",
        "hint: set base_image = \"//rules/tests:closures_test.bzl\"",
    ])
    rpm_image_layers(name = "base_image_too_much", base_image = "closures_test.bzl", compression = "none", rootfs = ":base", tags = ["manual"])
    def_test(_amd64_test, "base_image_too_much", ["stands on no image of others, but base_image is //rules/tests:closures_test.bzl", "hint: leave base_image out"])

    rpm_rootfs(name = "provided_of_other", contents = [":app"], register_provided = ["@slimrpm_test_other//app"], tags = ["manual"])
    def_test(_amd64_test, "provided_of_other", ["belongs to release slimrpm_test_other, other contents to slimrpm_test"])

    rpm_rootfs(name = "provided_unlocked", contents = [":app"], register_provided = ["@slimrpm_test//only-x86"], tags = ["manual"])
    def_test(_arm64_test, "provided_unlocked", [
        "//rules/tests:provided_unlocked: register_provided: package only-x86 is not locked for the target platform in //rules/tests/release:rpms.lock.json",
        "hint: choose it by select(), or add it to the manifest and run: bazel run @slimrpm_test//:lock",
    ])

    rpm_rootfs(name = "keys_without_database", contents = [":app"], gpg_keys = ["closures_test.bzl"], rpmdb = False, tags = ["manual"])
    def_test(_amd64_test, "keys_without_database", [
        "//rules/tests:keys_without_database: gpg_keys are entries of the package database, which rpmdb = False leaves out",
    ])

    native.filegroup(name = "two_files", srcs = ["closures_test.bzl", "lock_test.bzl"])
    rpm_rootfs(name = "file_of_two", contents = [":app"], files = {"/etc/x": ":two_files"}, tags = ["manual"])
    def_test(_amd64_test, "file_of_two", ["files has //rules/tests:two_files, which makes 2 files; it must make one"])

    for attribute, value, message in [
        ("artifacts", "yes", 'it must be "keep" or "drop"'),
        ("build_id", "yes", 'it must be "drop" or "keep"'),
        ("docs", "nodocs", 'it must be "licenses", "rpm" or "keep"'),
        ("gdb", "", 'it must be "drop" or "keep"'),
        ("ima", "yes", 'it must be "drop" or "keep"'),
        ("info", "none", 'it must be "drop" or "keep"'),
        ("locale_dirs", "C", 'it must be "drop" or "keep"'),
        ("locales", ["de:en_US"], 'give one name an item, such as ["de", "en_US"]'),
        ("man", "false", 'it must be "drop" or "keep"'),
        ("pyc", "strip", 'it must be "keep" or "drop"'),
        ("setuid", "drop", 'it must be "keep" or "strip"'),
        ("setuid_allow", {"mount": "users mount"}, 'it must be the absolute path in the image, such as "/usr/bin/mount"'),
        ("terminfo", ["*", "xterm"], "it keeps everything, so it must be the only item"),
    ]:
        target = "policy_" + attribute
        rpm_rootfs(name = target, contents = [":app"], tags = ["manual"], **{attribute: value})
        shown = value if type(value) == "string" else [item for item in value][0]
        def_test(_amd64_test, target, ["//rules/tests:%s: attribute %s: %s: %s" % (target, attribute, json.encode(shown), message)])
    rpm_rootfs(name = "policy_setuid_reason", contents = [":app"], setuid_allow = {"/x": " "}, tags = ["manual"])
    def_test(_amd64_test, "policy_setuid_reason", ["attribute setuid_allow: \"/x\": it must come with the reason"])

    for target, check, message in [
        ("check_key", {"alow": {}}, "check has \"alow\"; what it may have is allow, cmd, entrypoint, path, shell, size_budget, user, workdir"),
        ("check_list", {"allow": ["setuid:/x"]}, "check has allow = [\"setuid:/x\"], a list; it must be a dict, such as {\"setuid:/usr/bin/mount\": \"users mount\"}"),
        ("check_size", {"size_budget": "5 MB"}, "check has size_budget = \"5 MB\", a string; it must be a int"),
    ]:
        rpm_rootfs(name = target, check = check, contents = [":app"], tags = ["manual"])
        def_test(_amd64_test, target, ["//rules/tests:%s: %s" % (target, message)])
    rpm_image(name = "check_place", check = {"allow": {"setuid:/x": "why not"}, "shell": True}, rootfs = ":base", tags = ["manual"])
    def_test(_amd64_test, "check_place_layers", [
        "//rules/tests:check_place: check has setuid:/x, shell, which is about the root filesystem; give it to check of //rules/tests:base",
    ])

    native.test_suite(name = name, tests = tests)

def _definer(suite, tests):
    def define(rule, target, messages):
        rule(name = "%s_%s_test" % (suite, target), messages = messages, target_under_test = target)
        tests.append("%s_%s_test" % (suite, target))

    return define
