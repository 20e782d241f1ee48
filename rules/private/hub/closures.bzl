"""Condenses the dependency graph of a lock, so that closures become a DAG of targets of linear size."""

visibility("//rules/...")

# Kinds of closures -> kinds of edges of the lock that they follow.
CLOSURE_KINDS = {
    "elf": ["elf"],
    "requires": ["elf", "requires", "script"],
}

def edges_of_kind(packages, kind):
    """Lists the edges that a closure follows.

    Args:
      packages: list of dict, the packages of one architecture of a lock.
      kind: string, a key of CLOSURE_KINDS.

    Returns:
      dict of name to sorted list of names.
    """
    edges = {}
    for package in packages:
        found = {}
        for edge_kind in CLOSURE_KINDS[kind]:
            for name in package.get(edge_kind, []):
                found[name] = None
        edges[package["name"]] = sorted(found)
    return edges

def components(edges):
    """Finds the strongly connected components of a graph (Tarjan, without recursion, which Starlark lacks).

    Args:
      edges: dict of name to list of names; every name is a key.

    Returns:
      dict of name to name: the first in order of the members of its component.
    """
    order = {}
    low = {}
    position = {}
    on_stack = {}
    stack = []
    representative = {}
    steps = 2 * len(edges) + 1
    for targets in edges.values():
        steps += len(targets)
    for root in edges:
        if root in order:
            continue
        path = [root]
        for _ in range(steps):
            if not path:
                break
            node = path[-1]
            if node not in order:
                order[node] = len(order)
                low[node] = order[node]
                position[node] = 0
                on_stack[node] = None
                stack.append(node)
            if position[node] < len(edges[node]):
                target = edges[node][position[node]]
                position[node] += 1
                if target not in order:
                    path.append(target)
                elif target in on_stack:
                    low[node] = min(low[node], order[target])
                continue
            path.pop()
            if path:
                low[path[-1]] = min(low[path[-1]], low[node])
            if low[node] == order[node]:
                start = stack.index(node) if stack[-1] != node else len(stack) - 1
                members = stack[start:]
                stack = stack[:start]
                first = min(members)
                for member in members:
                    on_stack.pop(member)
                    representative[member] = first
    return representative

def condense(edges):
    """Turns a graph into the DAG of its components.

    Args:
      edges: dict of name to list of names; every name is a key.

    Returns:
      dict of name to struct(members, next): for the first member of a component the names of all its members and the first members
      of the components it leads to; for other members no members, and the first member of their own component.
    """
    representative = components(edges)
    members = {}
    following = {}
    for name in sorted(edges):
        first = representative[name]
        members.setdefault(first, []).append(name)
        targets = following.setdefault(first, {})
        for target in edges[name]:
            if representative[target] != first:
                targets[representative[target]] = None
    return {
        name: struct(members = members[name], next = sorted(following[name])) if representative[name] == name else struct(members = [], next = [representative[name]])
        for name in edges
    }
