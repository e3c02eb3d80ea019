"""The smallest input that still fails in the same way."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any


def smallest(case: Any, fails: Callable[[Any], bool], seconds: float = 20.0) -> Any:
    """`case`, a JSON tree, less whatever it can lose while `fails` holds of it; stops trying after `seconds`."""
    until = time.monotonic() + seconds
    changed = True
    while changed and time.monotonic() < until:
        changed = False
        for smaller in _smaller(case):
            if time.monotonic() > until:
                break
            if fails(smaller):
                case, changed = smaller, True
                break
    return case


def _smaller(case: Any) -> Iterator[Any]:
    """The case with one place less, or less in one place; the largest steps first."""
    for path, value in sorted(_places(case, ()), key=lambda p: -_size(p[1])):
        if path and isinstance(path[-1], (int, str)):
            yield _without(case, path)
        if isinstance(value, str):
            for part in _parts(value):
                yield _with(case, path, part)
        elif isinstance(value, (dict, list)):
            for inner in value.values() if isinstance(value, dict) else value:
                yield _with(case, path, inner)
        elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > 1:
            yield _with(case, path, 0)
            yield _with(case, path, value // 2)


def _parts(text: str) -> Iterator[str]:
    size = len(text) // 2
    while size:
        for at in range(0, len(text), size):
            yield text[:at] + text[at + size :]
        size //= 2
    if text:
        yield ""


def _places(tree: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    yield path, tree
    if isinstance(tree, (dict, list)):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _places(value, (*path, key))


def _size(tree: Any) -> int:
    if isinstance(tree, dict):
        return 1 + sum(len(str(k)) + _size(v) for k, v in tree.items())
    return 1 + sum(map(_size, tree)) if isinstance(tree, list) else len(str(tree))


def _with(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    out = copy.copy(tree)
    out[path[0]] = _with(tree[path[0]], path[1:], value)
    return out


def _without(tree: Any, path: tuple[Any, ...]) -> Any:
    out = copy.copy(tree)
    if len(path) == 1:
        del out[path[0]]
    else:
        out[path[0]] = _without(tree[path[0]], path[1:])
    return out
