"""Declares rpm_rootfs: a macro that encodes nested data for one rule."""

load("//rules:toolchain.bzl", "TOOLCHAIN_TYPE")
load("//rules/providers:providers.bzl", "ContentInfo", "RootfsInfo", "RpmClosureInfo", "RpmInfo", "RpmRequestInfo")
load(":actions.bzl", "build_rootfs", "check_rootfs", "list_rootfs", "show_label", "single_file")
load(":architectures.bzl", "ARCHITECTURE_ATTRS", "target_architecture")
load(":checks.bzl", "read_check")
load(":policies.bzl", "POLICY_ATTRS", "read_policies")
load(":request.bzl", "check_same_release")
load(":rootfs_explanation.bzl", "rootfs_explanations")

visibility("//rules/...")

def _rpm_rootfs_impl(ctx):
    base = ctx.attr.base[RootfsInfo] if ctx.attr.base else None
    requests = [target[RpmRequestInfo] for target in ctx.attr.contents if RpmRequestInfo in target]
    if not base and not requests:
        fail("%s: neither contents nor base has packages; one of them must say which release this is" % show_label(ctx.label))
    if base and not base.release and not requests:
        fail("%s: base %s is an image of others, so contents must say which release this is" % (show_label(ctx.label), show_label(ctx.attr.base.label)))
    release = base.release if base and base.release else requests[0].release
    for target in ctx.attr.contents:
        if RpmRequestInfo in target:
            check_same_release(ctx, release, target[RpmRequestInfo].release, target.label)
    if not release.graph:
        fail("%s: release %s has no packages for the target platform\nhint: choose a platform of the lock %s, such as --platforms=@rules_slimrpm//rules/platforms:linux_amd64, or add its architecture to the manifest and run: %s" % (
            show_label(ctx.label),
            release.name,
            release.lock,
            release.repair,
        ))

    policies, check = read_policies(ctx, read_check(show_label(ctx.label), json.decode(ctx.attr.check)))
    spec = json.decode(ctx.attr.spec) | {"policies": policies}
    spec["files"] = spec["files"] + [
        json.decode(place) | {"source": single_file(ctx, target, "files").path}
        for target, place in ctx.attr.files.items()
    ]
    if ctx.file.account_ids:
        spec["accounts"] |= {"ids": {"name": ctx.file.account_ids.short_path, "source": ctx.file.account_ids.path}}
    if spec["ca_trust"] != None:
        spec["ca_trust"] |= {
            "anchors": _certificates(ctx, "ca_anchors"),
            "distrust": _certificates(ctx, "ca_distrust"),
        }
    if ctx.attr.scriptlets_replace:
        spec["scriptlets_replace"] = {
            scriptlet: single_file(ctx, target, "scriptlets_replace").path
            for target, scriptlets in ctx.attr.scriptlets_replace.items()
            for scriptlet in json.decode(scriptlets)
        }
    if spec.pop("with_rpmdb"):
        spec["rpmdb"] = {"backend": release.rpmdb_backend, "path": release.rpmdb_path}
        if ctx.files.gpg_keys:
            spec["rpmdb"]["keys"] = [file.path for file in ctx.files.gpg_keys]
    elif ctx.files.gpg_keys:
        fail("%s: gpg_keys are entries of the package database, which rpmdb = False leaves out" % show_label(ctx.label))
    for target in ctx.attr.register_provided:
        check_same_release(ctx, release, target[RpmInfo].release, target.label)
        if not target[RpmInfo].nevra:
            fail("%s: register_provided: package %s is not locked for the target platform in %s\nhint: choose it by select(), or add it to the manifest and run: %s" % (
                show_label(ctx.label),
                target[RpmInfo].name,
                release.lock,
                release.repair,
            ))
    rootfs = build_rootfs(
        ctx,
        arch = target_architecture(ctx),
        base = base,
        contents = [target[ContentInfo] for target in ctx.attr.contents if ContentInfo in target],
        candidates = RpmClosureInfo(closures = [request.candidates for request in requests]),
        inputs = ctx.files.files + ctx.files.gpg_keys + ctx.files.ca_anchors + ctx.files.ca_distrust + ctx.files.account_ids + ctx.files.scriptlets_replace,
        provided = [target[RpmInfo] for target in ctx.attr.register_provided],
        release = release,
        requests = [request.request for request in requests],
        spec = spec,
        check = check,
    )
    findings, check_spec = check_rootfs(ctx, base = base, rootfs = rootfs, spec = check) if check != None else ([], [])
    lists = list_rootfs(ctx, rootfs, ctx.label.name)
    return [
        rootfs,
        DefaultInfo(files = depset(rootfs.layers)),
        OutputGroupInfo(
            compressed_layers = depset(rootfs.compressed_layers),
            layer = depset([rootfs.layers[-1]]),
            packages = depset([lists.packages]),
            report = depset([rootfs.reports[-1]]),
            rootcheck = depset(findings),
            rootcheck_spec = depset(check_spec),
            sbom = depset([lists.cyclonedx]),
            selection = depset([rootfs.selections[-1]]),
            tree = depset([rootfs.tree]),
            _validation = depset(findings),
        ),
    ]

def _certificates(ctx, attribute):
    out = []
    for target, name in getattr(ctx.attr, attribute).items():
        file = single_file(ctx, target, attribute)
        out.append({"name": name or file.basename.rsplit(".", 1)[0], "source": file.path})
    return out

_rpm_rootfs = rule(
    implementation = _rpm_rootfs_impl,
    doc = "What the macro rpm_rootfs instantiates.",
    attrs = ARCHITECTURE_ATTRS | POLICY_ATTRS | {
        "account_ids": attr.label(doc = "Table of account numbers.", allow_single_file = True),
        "base": attr.label(doc = "Root filesystem or image of others to build on.", providers = [RootfsInfo]),
        "ca_anchors": attr.label_keyed_string_dict(doc = "PEM file -> name; empty: that of the file.", allow_files = True),
        "ca_distrust": attr.label_keyed_string_dict(doc = "PEM file -> name; empty: that of the file.", allow_files = True),
        "check": attr.string(doc = "JSON: fields of check.Spec, or null for no check.", mandatory = True),
        "contents": attr.label_list(doc = "Requests, and what is no package.", providers = [[RpmRequestInfo], [ContentInfo]]),
        "files": attr.label_keyed_string_dict(doc = "File -> JSON of compose.File without source.", allow_files = True),
        "scriptlets_replace": attr.label_keyed_string_dict(doc = "Shell script -> JSON list of the scriptlets it stands for.", allow_files = True),
        "register_provided": attr.label_list(doc = "Packages.", providers = [RpmInfo]),
        "gpg_keys": attr.label_list(doc = "Files of public keys.", allow_files = True),
        "spec": attr.string(doc = "JSON: fields of compose.Spec, and with_rpmdb.", mandatory = True),
    },
    provides = [RootfsInfo],
    toolchains = [TOOLCHAIN_TYPE],
)

def rpm_rootfs(
        *,
        name,
        contents = [],
        base = None,
        accounts = {},
        account_ids = None,
        dirs = {},
        files = {},
        symlinks = {},
        alternatives = [],
        alternatives_layout = "",
        remove = [],
        docs = "licenses",
        man = "drop",
        info = "drop",
        locales = [],
        locale_dirs = "drop",
        pyc = "keep",
        terminfo = ["*"],
        gdb = "drop",
        build_id = "drop",
        artifacts = "keep",
        ima = "drop",
        setuid = "keep",
        setuid_allow = {},
        ca_trust = False,
        ca_anchors = [],
        ca_distrust = [],
        ca_formats = [],
        os_release = {},
        timezone = "",
        ld_so_cache = True,
        rpmdb = True,
        gpg_keys = [],
        register_provided = [],
        scriptlets = "error",
        scriptlets_replace = {},
        scriptlets_run = [],
        scriptlets_skip = {},
        check = {},
        tags = [],
        testonly = False,
        visibility = None):
    """A root filesystem: what requests resolve to, on top of a base, with what an image needs besides packages.

        rpm_rootfs(
            name = "rootfs",
            base = "//images/glibc:rootfs",
            contents = [":iptables_rpms"],
            dirs = {"/run/lock": {"mode": "1777"}},
            symlinks = {"/usr/bin/vi": "nvi"},
        )

    Its default output is all layers, base first, for `tars` of an oci_image; on an rpm_base_image only those on top of the image. Output groups: `compressed_layers` (the same as gzip),
    `layer` (the newest one alone), `report`, `selection`, `tree`, `rootcheck`, and `sbom` and `packages`, which list what the root filesystem holds (rules/docs/sbom.md). A check of the finished tree runs with every build.

    `bazel run` of `<name>_why` with `-- PACKAGE` or `-- /PATH` says what brings it in, for the target platform; `<name>_report` lists the
    packages by size, and what was left out and why. `bazel build` of `<name>_sbom` makes the bill of materials and the list of packages.

    Args:
      name: name of the target.
      contents: rpm_binary and rpm_package targets, and image_content of what is no package. Packages of the base are not shipped again.
      base: another rpm_rootfs, or an rpm_base_image, to build on.
      accounts: dict with `users` (list of dicts: name, uid, gid, gecos, home, shell), `groups` (list of dicts: name, gid, members) and
        `replace` (bool: drop the accounts that packages or the base bring in).
      account_ids: file with the numbers of accounts whose packages leave the number open, one `u NAME ID` or `g NAME ID` a line, as in
        sysusers.d. With it such an account must be in the file; without it the number depends on the name alone, and two names that
        come to the same number are an error. So a number never moves. See rules/docs/state.md.
      dirs: dict of path to dict (mode, user, group).
      files: dict of path to label, or to dict (`src` label or `text`, mode, user, group).
      symlinks: dict of path to target.
      alternatives: list of dicts, each one command of update-alternatives. With `link` it registers a choice: name, link, path, priority,
        slaves (list of dicts: link, name, path), and `set` (bool) to choose it too. Without, it is about what packages and the base
        registered: name and path with `set` or `remove` (bool), or name with `auto` (bool): by priority again. See rules/docs/state.md.
      alternatives_layout: `dpkg`, `chkconfig`, or empty: told from the tree.
      remove: globs of paths that are left out (`**` stands for any folders). One that matches nothing is an error.
      docs: `licenses` keeps, of files flagged %doc and of the documentation directories, only licence texts; `rpm` drops every %doc
        file as `rpm --excludedocs` does, and nothing else; `keep`. Files flagged %license are kept whatever a policy says. For this
        and the other policies, see rules/docs/policies.md.
      man: `drop` or `keep`: manual pages.
      info: `drop` or `keep`: info pages.
      locales: languages to keep, by the rule of rpm's %_install_langs: a file flagged %lang(de) is kept if "de" is a prefix of an item.
        `["*"]` keeps all.
      locale_dirs: `drop` lets `locales` decide about unflagged files in the directory of a locale too; `keep` looks at flags only.
      pyc: `keep` or `drop`: byte code that Python can make again.
      terminfo: names of the terminals whose descriptions are kept; `["*"]` keeps all.
      gdb: `drop` or `keep`: what only gdb reads, such as /usr/share/gdb/auto-load.
      build_id: `drop` or `keep`: links in /usr/lib/.build-id.
      artifacts: `keep` or `drop`: files flagged %artifact, as `rpm --excludeartifacts` does.
      ima: `drop`, or `keep`: the IMA signatures of packages become the extended attribute security.ima, which only a privileged engine
        can unpack.
      setuid: `strip` takes the set-user-ID and set-group-ID bits from files of packages; `keep`.
      setuid_allow: dict of path to the reason why the file may have these bits (`**` stands for any folders). It is `check`'s `allow` for
        the code `setuid`, and what `setuid = "strip"` leaves alone; entries of either place count for both.
      ca_trust: whether to make the CA stores that the ca-certificates package of the release would make. The three attributes that
        follow imply it; see rules/docs/state.md.
      ca_anchors: PEM files of certificates that are trusted too: list of labels, or dict of name to label.
      ca_distrust: PEM files of certificates that are not trusted, whatever packages say: list of labels, or dict of name to label.
      ca_formats: stores to make, instead of those that the release's own program makes: `pem`, `openssl`, `directory-hash`, `java`
        (a keystore of type JKS), `pkcs12`, `edk2`.
      os_release: dict of fields of /etc/os-release to set, such as PRETTY_NAME. ID and VERSION_ID cannot be set: scanners know the
        distribution by them. /usr/lib/os-release stays as it is.
      timezone: name of the time zone that /etc/localtime leads to, such as `Europe/Berlin`. Without it the file is left as it is.
      ld_so_cache: whether to write /etc/ld.so.cache.
      rpmdb: whether the image gets its package database.
      gpg_keys: files of public keys that the database gets entries for, as `rpm --import` makes them: for images in which rpm or dnf checks
        signatures. Keys of the base stay.
      register_provided: packages of the release that the package database gets entries for although no layer ships them, because the image has
        them otherwise: as a base without a database, or built from source. Of their files those that are not there, or differ, are "not
        installed". One that the image has in its database is an error.
      scriptlets: what to do about a scriptlet that uses what is not known: `error`, or `report`, which leaves it at what it did until
        there. See rules/docs/scriptlets.md for this and the next three.
      scriptlets_replace: dict of package, or `package:kind` such as `nginx:post`, to label of a shell script that runs in its place; that
        of a whole package runs once, in place of its %post.
      scriptlets_run: packages of which only some files ship (rpm_binary) and whose scriptlets run all the same.
      scriptlets_skip: dict of package, or `package:kind`, to the reason why its scriptlets need not run.
      check: dict, what the check of the finished tree is told: `allow` (dict of `code:path` to the reason why the finding is right;
        `**` in the path stands for any folders; what the base allows counts too), `shell` (bool: the image is meant to have one),
        `size_budget` (bytes of all files), and, where another rule than rpm_image makes the image, of its config: `user`, `entrypoint`,
        `cmd`, `path` (PATH), `workdir`. None: no check, for a root filesystem that never ships by itself, only as a base. See
        rules/docs/checks.md.
      tags: tags of the target.
      testonly: whether only tests may use the target.
      visibility: visibility of the target.
    """
    _check_fields(name, "accounts", accounts)
    for field in ["users", "groups"]:
        for account in accounts.get(field, []):
            _check_fields(name, "accounts, " + field, account)
    for alternative in alternatives:
        _check_fields(name, "alternatives", alternative)
    texts = []
    sources = {}
    for path, file in files.items():
        place = {"path": path}
        if type(file) == "dict":
            place |= {field: file[field] for field in file if field != "src"}
        else:
            file = {"src": file}
        if "src" not in file:
            texts.append(place)
        elif file["src"] in sources:
            fail("rpm_rootfs %s: files names %s twice; make a symlink or copy the file" % (name, file["src"]))
        else:
            sources[file["src"]] = json.encode(place)
    _rpm_rootfs(
        name = name,
        account_ids = account_ids,
        artifacts = artifacts,
        base = base,
        build_id = build_id,
        ca_anchors = _by_label(name, "ca_anchors", ca_anchors),
        ca_distrust = _by_label(name, "ca_distrust", ca_distrust),
        check = json.encode(check),
        contents = contents,
        docs = docs,
        files = sources,
        gpg_keys = gpg_keys,
        register_provided = register_provided,
        gdb = gdb,
        ima = ima,
        info = info,
        locale_dirs = locale_dirs,
        locales = locales,
        man = man,
        pyc = pyc,
        scriptlets_replace = _by_script(scriptlets_replace),
        setuid = setuid,
        setuid_allow = setuid_allow,
        spec = json.encode({
            "accounts": accounts,
            "alternatives": alternatives,
            "alternatives_layout": alternatives_layout,
            "ca_trust": {"formats": ca_formats} if ca_trust or ca_anchors or ca_distrust or ca_formats else None,
            "dirs": [{"path": path} | attributes for path, attributes in dirs.items()],
            "files": texts,
            "ld_so_cache": ld_so_cache,
            "os_release": os_release,
            "remove": remove,
            "scriptlets": scriptlets,
            "scriptlets_run": scriptlets_run,
            "scriptlets_skip": scriptlets_skip,
            "symlinks": [{"path": path, "target": target} for path, target in symlinks.items()],
            "timezone": timezone,
            "with_rpmdb": rpmdb,
        }),
        tags = tags,
        terminfo = terminfo,
        testonly = testonly,
        visibility = visibility,
    )
    rootfs_explanations(
        name = name,
        rootfs = name,
        testonly = testonly,
        visibility = visibility,
    )

def _by_label(name, attribute, certificates):
    if type(certificates) == "list":
        return {label: "" for label in certificates}
    if type(certificates) == "dict":
        return {label: certificate for certificate, label in certificates.items()}
    fail("rpm_rootfs %s: %s is a %s; it must be a list of labels, such as [\"company.pem\"], or a dict of name to label" % (name, attribute, type(certificates)))

# Attribute -> fields of its dicts.
_FIELDS = {
    "accounts": ["groups", "replace", "users"],
    "accounts, groups": ["gid", "members", "name"],
    "accounts, users": ["gecos", "gid", "home", "name", "shell", "uid"],
    "alternatives": ["auto", "link", "name", "path", "priority", "remove", "set", "slaves"],
}

def _check_fields(name, attribute, value):
    unknown = [field for field in value if field not in _FIELDS[attribute]]
    if unknown:
        fail("rpm_rootfs %s: %s has no field %s; its fields are %s" % (name, attribute, ", ".join(unknown), ", ".join(_FIELDS[attribute])))

def _by_script(scriptlets):
    out = {}
    for scriptlet, label in scriptlets.items():
        out.setdefault(label, []).append(scriptlet)
    return {label: json.encode(sorted(keys)) for label, keys in out.items()}
