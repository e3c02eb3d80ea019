"""Contracts and grants to begin with: those of the sample city, of the examples and of the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from schemas.validation import parse_yaml
from tests.schemas.contracts import avro_contract, grant_document

_ROOT = Path(__file__).parents[2]
_CITY = _ROOT / "infra" / "bus" / "demo" / "city"
_FIELDS = [
    {"name": "id", "type": "string"},
    {"name": "name", "type": ["null", "string"], "masks": ["pseudonym", "pass", {"mask": "partial", "keep_first": {"max": 1}}]},
    {"name": "cents", "type": ["null", "long"], "filterable": True},
    {"name": "share", "type": "double"},
    {"name": "born", "type": ["null", {"type": "int", "logicalType": "date"}], "filterable": True},
    {"name": "money", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "home", "type": ["null", {"type": "record", "name": "Home", "fields": [{"name": "street", "type": "string"}]}]},
    {"name": "parts", "type": {"type": "array", "items": ["null", "int"]}},
    {"name": "either", "type": ["null", "string", "long"]},
]  # fmt: skip
_USES: dict[str, Any] = {
    "id": "pass", "name": "pseudonym", "cents": {"mask": "bucket", "edges": [0, 100]}, "born": "date-to-year", "home": "pass",
    "money": "pass", "at": "pass", "share": "pass", "parts": "pass", "either": "pass",
}  # fmt: skip

CONTRACTS: list[Any] = [
    avro_contract(),
    avro_contract(fields=_FIELDS),
    *(json.loads(path.read_text()) for path in sorted(_CITY.glob("contracts/*.avsc"))),
]
"""Contracts as parsed JSON."""

GRANT_TEXTS: list[str] = [path.read_text() for path in sorted(_CITY.glob("grants/*.yaml"))]
"""Grants as people write them."""

GRANTS: list[Any] = [
    grant_document(),
    grant_document(fields=_USES, before=True, release_time="day"),
    grant_document(
        fields=_USES,
        where="born >= DATE '2000-01-31' AND cents IN (1, 2) OR home.street LIKE '云%' AND NOT money < 1.5",
    ),
    *(
        json.loads(json.dumps(d, default=str))
        for text in GRANT_TEXTS
        for d in parse_yaml(text, "corpus")
        if d is not None
    ),
]
"""Grants as parsed YAML, dates as text."""
