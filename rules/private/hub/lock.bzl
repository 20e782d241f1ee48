"""Reads locks and manifests inside repository rules and module extensions."""

visibility(["//rules/...", "//third_party/debrpm"])

LOCK_SCHEMA = 1

# A lock of this schema that says nothing: `third_party/debrpm` writes it where its release was not prepared.
UNLOCKED = "{}"

def parse_lock(text, where):
    """Decodes a lock and checks what Starlark relies on.

    Args:
      text: string, the content of the file.
      where: string, what to call the file in messages.

    Returns:
      (lock, problem): dict and None, or None and the problem in words. An empty or absent lock is (None, None).
    """
    if text.strip() in ["", UNLOCKED]:
        return None, None
    lock = json.decode(text, default = None)
    if type(lock) != "dict" or "schema" not in lock:
        return None, "%s is not a lock" % where
    if lock["schema"] != LOCK_SCHEMA:
        return None, "%s has schema %s, this version of rules_slimrpm reads schema %d" % (where, lock["schema"], LOCK_SCHEMA)
    for field in ["release", "manifest", "source_date_epoch", "rpmdb", "repositories", "architectures"]:
        if field not in lock:
            return None, "%s has no field %s" % (where, field)
    for arch, section in lock["architectures"].items():
        names = {package["name"]: None for package in section["packages"]}
        for package in section["packages"]:
            for kind in ["elf", "requires", "script"]:
                for edge in package.get(kind, []):
                    if edge not in names:
                        return None, "%s: package %s of %s has an edge to %s, which the lock lacks" % (where, package["name"], arch, edge)
    return lock, None

def archive_repository_names(release, lock):
    """Names the repository of each RPM.

    Args:
      release: string, name of the release.
      lock: dict, from parse_lock.

    Returns:
      dict of sha256 to repository name. A name holds no version, so that labels survive updates.
    """
    names = {}
    taken = {}
    for arch in sorted(lock["architectures"]):
        for package in lock["architectures"][arch]["packages"]:
            if package["sha256"] in names:
                continue
            name = "%s_%s_%s" % (release, _repository_word(package["name"]), package["arch"])
            if name in taken:
                # Two architectures hold different builds of a noarch package, or two names differ in a character that
                # repository names cannot have.
                name += "_" + package["sha256"][:12]
            taken[name] = None
            names[package["sha256"]] = name
    return names

def _repository_word(name):
    # "+" and "~" separate the parts of canonical repository names, "^" is not allowed at all.
    return name.replace("+", "p").replace("~", "-").replace("^", "-")

def distdir_names(lock):
    """Names the file of each RPM as rpmfetch does in the layout distdir, and as Bazel looks for it in a --distdir.

    Args:
      lock: dict, from parse_lock.

    Returns:
      dict of sha256 to file name: that of the repository or, where two packages of the lock have the same, the checksum.
    """
    sums = {}
    for section in lock["architectures"].values():
        for package in section["packages"]:
            sums.setdefault(_base_name(package["path"]), {})[package["sha256"]] = None
    names = {}
    for name in sorted(sums):
        for sha256 in sums[name]:
            if len(sums[name]) > 1:
                names[sha256] = sha256 + ".rpm"
            else:
                names.setdefault(sha256, name)
    return names

def file_target_name(name):
    """Returns the name that a file has in its repository: its own, if a label can have it.

    Args:
      name: string, from distdir_names.

    Returns:
      string.
    """
    for character in name.elems():
        if not character.isalnum() and character not in "+-._^~":
            return "package.rpm"
    return name

def mirror_bases(variable):
    """Reads the variable SLIMRPM_MIRROR.

    Args:
      variable: string, URLs and absolute folders separated by white space.

    Returns:
      (bases, problem): list of URLs without a slash at the end, and None; or None and the problem in words.
    """
    bases = []
    for word in variable.replace("\t", " ").replace("\n", " ").split(" "):
        if not word:
            continue
        if word.startswith("/"):
            word = "file://" + _escape(word, "")
        elif word.split("://")[0] not in ["file", "http", "https"]:
            return None, "SLIMRPM_MIRROR: %s is neither an absolute folder nor a URL of http, https or file" % word
        bases.append(word.rstrip("/"))
    return bases, None

def archive_urls(*, mirrors, repository, arch, path, urls):
    """Lists where an RPM may be fetched.

    Args:
      mirrors: list of string, from mirror_bases.
      repository: string, id of its repository.
      arch: string, RPM architecture of the section of the lock.
      path: string, the path of the lock.
      urls: list of string, base URLs of the repository.

    Returns:
      list of string: places of the layout mirror of rpmfetch, then places in the repository.
    """
    in_mirror = "/".join([repository, arch] + _clean(path.split("/")))
    return ["%s/%s" % (mirror, _escape(in_mirror, "")) for mirror in mirrors] + [_join(url, path) for url in urls]

def _join(url, path):
    # Paths may lead out of the repository (Amazon Linux keeps its packages beside it), never out of the server. They are text
    # of URLs: what is escaped already stays so.
    scheme, rest = url.split("://", 1)
    host, _, base = rest.partition("/")
    return "%s://%s/%s" % (scheme, host, _escape("/".join(_clean((base + "/" + path).split("/"))), "%"))

def _clean(parts):
    out = []
    for part in parts:
        if part == "..":
            out = out[:-1]
        elif part not in ["", "."]:
            out.append(part)
    return out

def _base_name(path):
    return path.split("/")[-1]

_ESCAPES = {
    "\"": "%22",
    " ": "%20",
    "#": "%23",
    "<": "%3C",
    ">": "%3E",
    "?": "%3F",
    "[": "%5B",
    "\\": "%5C",
    "]": "%5D",
    "^": "%5E",
    "`": "%60",
    "{": "%7B",
    "|": "%7C",
    "}": "%7D",
}

def _escape(path, keep):
    if not keep:
        path = path.replace("%", "%25")
    return "".join([_ESCAPES.get(character, character) for character in path.elems()])

def manifest_roots(text):
    """Finds the packages that a manifest names, without a YAML parser.

    The answer only decides which packages get a target that says that the lock is missing, so a word too many is harmless.

    Args:
      text: string, rpms.yaml.

    Returns:
      list of string, sorted: every item of every block or flow list that could be the name of a package.
    """
    found = {}
    for line in text.split("\n"):
        line = line.split(" #")[0].strip()
        if line.startswith("- "):
            items = [line[2:]]
        elif line.endswith("]") and "[" in line:
            items = line[line.index("[") + 1:-1].split(",")
        else:
            continue
        for item in items:
            item = item.strip().removeprefix("{").strip().removeprefix("name:").split(",")[0].removesuffix("}")
            item = item.strip().strip("\"'")
            if _is_package_name(item):
                found[item] = None
    return sorted(found)

def _is_package_name(word):
    if not word or not word[0].isalnum():
        return False
    for character in word.elems():
        if not character.isalnum() and character not in "+-._":
            return False
    return True
