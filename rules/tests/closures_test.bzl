"""Tests of closures.bzl."""

load("@bazel_skylib//lib:unittest.bzl", "asserts", "unittest")
load("//rules/private/hub:closures.bzl", "components", "condense", "edges_of_kind")

visibility("//rules/tests")

_COMPONENTS = [
    ("a graph without edges has one component per node", {"a": [], "b": []}, {"a": "a", "b": "b"}),
    ("a chain has one component per node", {"a": ["b"], "b": ["c"], "c": []}, {"a": "a", "b": "b", "c": "c"}),
    ("a node that needs itself is a component", {"a": ["a"]}, {"a": "a"}),
    ("glibc and glibc-common need each other", {"app": ["glibc"], "glibc": ["glibc-common"], "glibc-common": ["glibc"]}, {"app": "app", "glibc": "glibc", "glibc-common": "glibc"}),
    ("a cycle is named after its first member, wherever it is entered", {"a": ["c"], "b": ["a"], "c": ["b"]}, {"a": "a", "b": "a", "c": "a"}),
    (
        "two cycles joined one way stay two",
        {"a": ["b"], "b": ["a", "c"], "c": ["d"], "d": ["c"]},
        {"a": "a", "b": "a", "c": "c", "d": "c"},
    ),
    (
        "cycles that share a node are one",
        {"a": ["b"], "b": ["a", "c"], "c": ["b", "d"], "d": []},
        {"a": "a", "b": "a", "c": "a", "d": "d"},
    ),
    (
        "an edge back into a finished component does not join it",
        {"a": ["b", "c"], "b": [], "c": ["b", "d"], "d": ["c", "b"]},
        {"a": "a", "b": "b", "c": "c", "d": "c"},
    ),
]

def _components_impl(ctx):
    env = unittest.begin(ctx)
    for sentence, edges, want in _COMPONENTS:
        asserts.equals(env, want, components(edges), sentence)
    return unittest.end(env)

_components_test = unittest.make(_components_impl)

def _condense_impl(ctx):
    env = unittest.begin(ctx)
    got = condense({"app": ["glibc", "tz"], "glibc": ["glibc-common"], "glibc-common": ["glibc", "tz"], "tz": []})
    asserts.equals(env, struct(members = ["app"], next = ["glibc", "tz"]), got["app"], "a component leads to the first members of others")
    asserts.equals(env, struct(members = ["glibc", "glibc-common"], next = ["tz"]), got["glibc"], "the first member holds all, and no edge to itself")
    asserts.equals(env, struct(members = [], next = ["glibc"]), got["glibc-common"], "other members lead to the first")
    return unittest.end(env)

_condense_test = unittest.make(_condense_impl)

def _chain_impl(ctx):
    env = unittest.begin(ctx)

    # Longer than any recursion, and one cycle.
    edges = {"p%d" % i: ["p%d" % ((i + 1) % 5000)] for i in range(5000)}
    asserts.equals(env, ["p0"], {first: None for first in components(edges).values()}.keys())
    return unittest.end(env)

_chain_test = unittest.make(_chain_impl)

def _edges_impl(ctx):
    env = unittest.begin(ctx)
    packages = [{"elf": ["b"], "name": "a", "requires": ["c", "b"], "script": ["d"], "scriptlet": ["e"], "weak": ["f"]}, {"name": "b"}]
    asserts.equals(env, {"a": ["b"], "b": []}, edges_of_kind(packages, "elf"))
    asserts.equals(env, {"a": ["b", "c", "d"], "b": []}, edges_of_kind(packages, "requires"), "neither scriptlet nor weak edges")
    return unittest.end(env)

_edges_test = unittest.make(_edges_impl)

def closures_test_suite(name):
    """All tests of closures.bzl.

    Args:
      name: name of the test suite.
    """
    unittest.suite(name, _components_test, _condense_test, _chain_test, _edges_test)
