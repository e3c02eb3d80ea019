"""The real registry keeps contracts as they are written, attributes included, and enforces BACKWARD compatibility."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from infra.runtime.registry import Registry
from schemas.change_event import change_event_schema
from schemas.contract import Contract, parse_contract
from schemas.errors import ConfigError
from tests.conftest import Cluster
from tests.schemas.contracts import avro_contract

ID = {"name": "id", "type": "string"}
NAME = {"name": "name", "type": ["null", "string"], "personal": "personal", "masks": ["drop"]}


def contract(*fields: dict[str, Any], **resource: Any) -> Contract:
    return parse_contract(avro_contract(fields=[ID, *fields], resource=resource))


@pytest.fixture
def registry(cluster: Cluster) -> Iterator[Registry]:
    client = Registry(cluster.settings)
    yield client
    client.close()


def test_the_attributes_of_a_contract_come_back_as_they_were_written(registry: Registry, unique: str) -> None:
    schema = change_event_schema(contract(NAME, basis="条例"))
    assert registry.schema(registry.register(f"{unique}-value", schema)) == schema


def test_a_change_of_attributes_alone_is_another_version(registry: Registry, unique: str) -> None:
    first, second = (change_event_schema(contract({**NAME, "masks": masks})) for masks in (["drop"], ["drop", "pass"]))
    ids = [registry.register(f"{unique}-value", schema) for schema in (first, second)]
    assert [registry.schema(i) for i in ids] == [first, second]


def test_a_new_field_with_a_default_is_compatible_and_one_without_is_not(registry: Registry, unique: str) -> None:
    registry.register(f"{unique}-value", change_event_schema(contract(NAME)))
    with_default = contract(NAME, {"name": "n", "type": "int", "default": 1})
    assert registry.compatible(f"{unique}-value", change_event_schema(with_default))
    without = change_event_schema(contract(NAME, {"name": "n", "type": "int"}))
    assert not registry.compatible(f"{unique}-value", without)
    with pytest.raises(ConfigError):
        registry.register(f"{unique}-value", without)
