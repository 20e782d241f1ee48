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
