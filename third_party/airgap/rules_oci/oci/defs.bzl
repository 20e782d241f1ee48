"""The public API of rules_oci, as far as the stand-in has it: macros that take lists and dicts where the rules take files."""

load("@bazel_skylib//lib:types.bzl", "types")
load("@bazel_skylib//rules:write_file.bzl", "write_file")
load("//oci/private:digest.bzl", "oci_digest")
load("//oci/private:image.bzl", _oci_image_rule = "oci_image")
load("//oci/private:image_index.bzl", _oci_image_index_rule = "oci_image_index")
load("//oci/private:load.bzl", _oci_load_rule = "oci_load")
load("//oci/private:push.bzl", _oci_push_rule = "oci_push")

visibility("public")

oci_image_rule = _oci_image_rule
oci_image_index_rule = _oci_image_index_rule
oci_tarball_rule = _oci_load_rule
oci_push_rule = _oci_push_rule

# Attributes of every rule that inner targets take over.
_COMMON = [
    "compatible_with",
    "exec_compatible_with",
    "features",
    "restricted_to",
    "target_compatible_with",
    "testonly",
    "visibility",
]

# Tags that say how to run actions. The others select targets, and inner targets are not to be selected.
_EXECUTION_TAGS = [
    "block-network",
    "local",
    "no-cache",
    "no-remote",
    "no-remote-cache",
    "no-remote-exec",
    "no-sandbox",
    "requires-network",
]

def _inner(kwargs):
    common = {key: kwargs[key] for key in _COMMON if key in kwargs}
    return common | {"tags": ["manual"] + [tag for tag in kwargs.get("tags") or [] if tag in _EXECUTION_TAGS]}

def _file(name, kind, lines, kwargs):
    label = "{}_write_{}".format(name, kind)
    write_file(
        name = label,
        out = "{}.{}.txt".format(name, kind),
        content = lines,
        **_inner(kwargs)
    )
    return label

def _pairs_file(name, kind, value, kwargs):
    if not types.is_dict(value):
        return value
    return _file(name, kind, ["{}={}".format(key, item) for key, item in value.items()], kwargs)

def _words_file(name, kind, value, kwargs):
    if not types.is_list(value):
        return value

    # One argument per line, so a newline inside one has another spelling; the tool knows it.
    return _file(name, kind, [word.replace("\n", "%5Cn") for word in value], kwargs)

def _commas_file(name, kind, value, kwargs):
    if not types.is_list(value):
        return value
    return _file(name, kind, [",".join(value)], kwargs)

def _lines_file(name, kind, value, kwargs):
    if not types.is_list(value):
        return value
    return _file(name, kind, value, kwargs)

def _digest(name, kwargs):
    common = {key: kwargs[key] for key in _COMMON + ["tags"] if key in kwargs}
    oci_digest(
        name = name + ".digest",
        layout = name,
        # The name that rules_oci gives it.
        out = name + ".json.sha256",
        **common
    )

def oci_image(
        name,
        created = None,
        labels = None,
        annotations = None,
        env = None,
        cmd = None,
        entrypoint = None,
        exposed_ports = None,
        volumes = None,
        **kwargs):
    """An OCI image; `<name>.digest` is a file with its digest.

    Args:
      name: name of the image.
      created: file with the time of creation.
      labels: file of NAME=value lines, or dict.
      annotations: file of NAME=value lines, or dict.
      env: file of NAME=value lines, or dict.
      cmd: file with one argument per line, or list.
      entrypoint: file with one argument per line, or list.
      exposed_ports: file with a comma separated list, or list.
      volumes: file with a comma separated list, or list.
      **kwargs: attributes of oci_image_rule.
    """
    oci_image_rule(
        name = name,
        annotations = _pairs_file(name, "annotations", annotations, kwargs),
        cmd = _words_file(name, "cmd", cmd, kwargs),
        created = created,
        entrypoint = _words_file(name, "entrypoint", entrypoint, kwargs),
        env = _pairs_file(name, "env", env, kwargs),
        exposed_ports = _commas_file(name, "exposed_ports", exposed_ports, kwargs),
        labels = _pairs_file(name, "labels", labels, kwargs),
        volumes = _commas_file(name, "volumes", volumes, kwargs),
        **kwargs
    )
    _digest(name, kwargs)

def oci_image_index(name, annotations = None, **kwargs):
    """An index of OCI images; `<name>.digest` is a file with its digest.

    Args:
      name: name of the index.
      annotations: file of NAME=value lines, or dict.
      **kwargs: attributes of oci_image_index_rule.
    """
    oci_image_index_rule(
        name = name,
        annotations = _pairs_file(name, "annotations", annotations, kwargs),
        **kwargs
    )
    _digest(name, kwargs)

def oci_load(name, repo_tags = None, **kwargs):
    """A program that loads an image into a container engine.

    Args:
      name: name of the program.
      repo_tags: file with a REPOSITORY:TAG per line, or list.
      **kwargs: attributes of oci_tarball_rule.
    """
    oci_tarball_rule(
        name = name,
        repo_tags = _lines_file(name, "tags", repo_tags, kwargs),
        **kwargs
    )

def oci_push(name, remote_tags = None, **kwargs):
    """A program that pushes an image or an index to a registry.

    Args:
      name: name of the program.
      remote_tags: file with a tag per line, or list.
      **kwargs: attributes of oci_push_rule.
    """
    oci_push_rule(
        name = name,
        remote_tags = _lines_file(name, "tags", remote_tags, kwargs),
        **kwargs
    )
