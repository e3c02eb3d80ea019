"""The default of a field, from its JSON in the schema to what `row_arrays.from_values` takes."""

from __future__ import annotations

from typing import Any

from schemas.codec.avro_tree import option
from schemas.codec.row_schema import WRAPPED


def default_value(json: Any, tree: Any) -> Any:
    """The default `json` of a field of the (expanded) type `tree`. A union's default belongs to its first branch;
    null is taken for a nullable type whichever branch comes first, as most libraries do."""
    inner = option(tree)
    if inner is not None:
        if json is None:
            return None
        value = default_value(json, inner)
        return ("", value) if isinstance(inner, dict) and inner["type"] == "record" else value
    if isinstance(tree, list):
        return "first_0", {WRAPPED: default_value(json, tree[0])}
    kind = tree if isinstance(tree, str) else tree["type"]
    if kind == "record":
        return {f["name"]: default_value(json.get(f["name"], f.get("default")), f["type"]) for f in tree["fields"]}
    if kind == "array":
        return [default_value(item, tree["items"]) for item in json]
    if kind == "map":
        return {key: default_value(item, tree["values"]) for key, item in json.items()}
    return json.encode("latin-1") if kind in ("bytes", "fixed") else json
