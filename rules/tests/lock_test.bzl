"""Tests of lock.bzl."""

load("@bazel_skylib//lib:unittest.bzl", "asserts", "unittest")
load(
    "//rules/private/hub:lock.bzl",
    "archive_repository_names",
    "archive_urls",
    "distdir_names",
    "file_target_name",
    "manifest_roots",
    "mirror_bases",
    "parse_lock",
)

visibility("//rules/tests")

def _lock(architectures):
    return {"architectures": architectures, "manifest": "", "release": "r", "repositories": [], "rpmdb": {}, "schema": 1, "source_date_epoch": 0}

_PROBLEMS = [
    ("an empty file is a release without a lock", "", None),
    ("so is an empty object", "{}\n", None),
    ("what is not JSON is not a lock", "schema: 1", "//x:y is not a lock"),
    ("what has no schema is not a lock", "{\"a\": 1}", "//x:y is not a lock"),
    ("a list is not a lock", "[]", "//x:y is not a lock"),
    ("a newer schema is refused", "{\"schema\": 2}", "//x:y has schema 2, this version of rules_slimrpm reads schema 1"),
    ("a missing field is named", "{\"schema\": 1}", "//x:y has no field release"),
    (
        "an edge to nowhere is named",
        json.encode(_lock({"x86_64": {"packages": [{"elf": ["b"], "name": "a"}]}})),
        "//x:y: package a of x86_64 has an edge to b, which the lock lacks",
    ),
]

def _parse_impl(ctx):
    env = unittest.begin(ctx)
    for sentence, text, want in _PROBLEMS:
        lock, problem = parse_lock(text, "//x:y")
        asserts.equals(env, (None, want), (lock, problem), sentence)
    good = _lock({"x86_64": {"packages": [{"elf": ["a"], "name": "a"}]}})
    asserts.equals(env, (good, None), parse_lock(json.encode(good), "//x:y"), "a good lock has no problem")
    return unittest.end(env)

_parse_test = unittest.make(_parse_impl)

_ROOTS = [
    ("block lists", "install:\n  - glibc\n- tzdata", ["glibc", "tzdata"]),
    ("flow lists", "install: [glibc, 'tzdata', \"bash\"]", ["bash", "glibc", "tzdata"]),
    ("a package for some architectures, in flow style", "  - {name: libmpx, only: [x86_64]}", ["libmpx"]),
    ("a package for some architectures, in block style", "  - name: libmpx\n    only: x86_64", ["libmpx"]),
    ("names with signs", "- libstdc++\n- java-17-openjdk\n- python3.11\n- compat_x", ["compat_x", "java-17-openjdk", "libstdc++", "python3.11"]),
    ("comments are not part of a name", "- glibc # the C library\n# - bash", ["glibc"]),
    ("what cannot be a name is left out", "- https://example.com/\n- /usr/bin/x\n- 'perl(strict)'\n- ''", []),
]

def _roots_impl(ctx):
    env = unittest.begin(ctx)
    for sentence, text, want in _ROOTS:
        asserts.equals(env, want, manifest_roots(text), sentence)
    return unittest.end(env)

_roots_test = unittest.make(_roots_impl)

def _names_impl(ctx):
    env = unittest.begin(ctx)
    got = archive_repository_names("r", _lock({
        "aarch64": {"packages": [
            {"arch": "aarch64", "name": "a", "sha256": "a" * 64},
            {"arch": "noarch", "name": "data", "sha256": "d" * 64},
            {"arch": "noarch", "name": "odd", "sha256": "1" * 64},
        ]},
        "x86_64": {"packages": [
            {"arch": "x86_64", "name": "a", "sha256": "b" * 64},
            {"arch": "noarch", "name": "data", "sha256": "d" * 64},
            {"arch": "noarch", "name": "odd", "sha256": "2" * 64},
            {"arch": "x86_64", "name": "libx+", "sha256": "c" * 64},
            {"arch": "x86_64", "name": "libxp", "sha256": "e" * 64},
        ]},
    }))
    asserts.equals(env, {
        "1" * 64: "r_odd_noarch",
        "2" * 64: "r_odd_noarch_222222222222",
        "a" * 64: "r_a_aarch64",
        "b" * 64: "r_a_x86_64",
        "c" * 64: "r_libxp_x86_64",
        "d" * 64: "r_data_noarch",
        "e" * 64: "r_libxp_x86_64_eeeeeeeeeeee",
    }, got, "one repository per RPM, without versions, and never two with one name")
    return unittest.end(env)

_names_test = unittest.make(_names_impl)

_MIRRORS = [
    ("nothing is named", "", []),
    ("a folder becomes a URL", "/srv/c#/", ["file:///srv/c%23"]),
    ("several are tried in the order given", " https://m.example/rpms/ \n/srv/100% ", ["https://m.example/rpms", "file:///srv/100%25"]),
]

_URLS = [
    ("without mirrors, the repositories in their order", [], "Packages/a.rpm", [
        "https://one.example/os/x86_64/Packages/a.rpm",
        "http://two.example/Packages/a.rpm",
    ]),
    ("mirrors come before repositories", ["file:///srv/rpms", "https://m.example"], "Packages/a.rpm", [
        "file:///srv/rpms/core/noarch/Packages/a.rpm",
        "https://m.example/core/noarch/Packages/a.rpm",
        "https://one.example/os/x86_64/Packages/a.rpm",
        "http://two.example/Packages/a.rpm",
    ]),
    ("a path leaves the repository, not the server and not the mirror", ["file:///m"], "../../../pool/./a.rpm", [
        "file:///m/core/noarch/pool/a.rpm",
        "https://one.example/pool/a.rpm",
        "http://two.example/pool/a.rpm",
    ]),
    ("what URLs cannot hold is escaped, what is escaped stays, and files of mirrors have the names of the lock", ["file:///m"], "a^1~b+c%2B.rpm", [
        "file:///m/core/noarch/a%5E1~b+c%252B.rpm",
        "https://one.example/os/x86_64/a%5E1~b+c%2B.rpm",
        "http://two.example/a%5E1~b+c%2B.rpm",
    ]),
]

def _urls_impl(ctx):
    env = unittest.begin(ctx)
    for sentence, variable, want in _MIRRORS:
        asserts.equals(env, (want, None), mirror_bases(variable), sentence)
    asserts.equals(
        env,
        (None, "SLIMRPM_MIRROR: rpms is neither an absolute folder nor a URL of http, https or file"),
        mirror_bases("/srv rpms"),
        "a relative folder is refused",
    )
    for sentence, mirrors, path, want in _URLS:
        got = archive_urls(
            arch = "noarch",
            mirrors = mirrors,
            path = path,
            repository = "core",
            urls = ["https://one.example/os/x86_64/", "http://two.example/"],
        )
        asserts.equals(env, want, got, sentence)
    return unittest.end(env)

_urls_test = unittest.make(_urls_impl)

def _distdir_impl(ctx):
    env = unittest.begin(ctx)
    lock = _lock({
        "aarch64": {"packages": [
            {"path": "Packages/a-1.aarch64.rpm", "sha256": "a" * 64},
            {"path": "Packages/data.rpm", "sha256": "d" * 64},
            {"path": "odd.rpm", "sha256": "1" * 64},
        ]},
        "x86_64": {"packages": [
            {"path": "../data.rpm", "sha256": "d" * 64},
            {"path": "Packages/odd.rpm", "sha256": "2" * 64},
        ]},
    })
    asserts.equals(env, {
        "1" * 64: "1" * 64 + ".rpm",
        "2" * 64: "2" * 64 + ".rpm",
        "a" * 64: "a-1.aarch64.rpm",
        "d" * 64: "data.rpm",
    }, distdir_names(lock), "names of the repository, but two files never have the same")
    asserts.equals(env, "a+b-1.0~rc^x_y.rpm", file_target_name("a+b-1.0~rc^x_y.rpm"), "a name that a label can have")
    asserts.equals(env, "package.rpm", file_target_name("a-1:2.rpm"), "a name that a label cannot have")
    return unittest.end(env)

_distdir_test = unittest.make(_distdir_impl)

def lock_test_suite(name):
    """All tests of lock.bzl.

    Args:
      name: name of the test suite.
    """
    unittest.suite(name, _parse_test, _roots_test, _names_test, _urls_test, _distdir_test)
