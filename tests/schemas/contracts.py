"""Small contracts and grants for tests."""

from __future__ import annotations

from typing import Any


def avro_contract(**changes: Any) -> dict[str, Any]:
    """A contract as parsed JSON; `changes` replace record attributes, `resource` is merged."""
    resource = {
        "id": "scjg.things",
        "title": {"zh": "事物", "en": "Things"},
        "provider": "scjg",
        "key": ["id"],
        "sharing": "conditional",
        **changes.pop("resource", {}),
    }
    base: dict[str, Any] = {
        "type": "record",
        "name": "Thing",
        "namespace": "scjg",
        "resource": resource,
        "fields": [{"name": "id", "type": "string"}, {"name": "name", "type": ["null", "string"]}],
    }
    return {**base, **changes}


def grant_document(**changes: Any) -> dict[str, Any]:
    """A grant as parsed YAML."""
    base: dict[str, Any] = {
        "kind": "Grant",
        "id": "shuiwu.things.2026-001",
        "subscriber": "shuiwu",
        "resource": "scjg.things",
        "purpose": "综合治税",
        "basis": "贵阳市政府数据共享开放条例",
        "fields": {"id": "pass", "name": {"mask": "partial", "keep_first": 1}},
        "valid": {"from": "2026-11-01", "until": "2027-10-31"},
    }
    return {**base, **changes}
