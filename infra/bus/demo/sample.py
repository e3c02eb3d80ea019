"""The sample city on disk: the files its departments send in two deliveries, and what they must come to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from infra.bus.demo.city import Register, Row, build_city, more_rows
from infra.bus.demo.dirt import write_csv
from infra.bus.demo.expected import Change
from schemas.contract import Contract, load_contract

CITY = Path(__file__).parent / "city"
CONTRACTS, MAPPINGS, GRANTS = CITY / "contracts", CITY / "mappings", CITY / "grants"

LIVE_RESOURCE = "gongan.population"
LIVE_RATE = 500
"""Events a second in the live part."""
_LIVE_SHARE, _LIVE_MOST = 0.04, 4_000


@dataclass(frozen=True, slots=True)
class Sent:
    """A department's resource: its register, the two files, and how many of their rows must be quarantined."""

    contract: Contract
    register: Register
    files: tuple[Path, Path]
    bad: tuple[int, int]

    @property
    def mapping(self) -> Path:
        """The mapping of its files."""
        return MAPPINGS / f"{self.contract.id}.yaml"


@dataclass(frozen=True, slots=True)
class Sample:
    """The city: what is sent in files, and the rows that come live after them."""

    sent: list[Sent]
    live: list[Row]

    def register(self, resource: str) -> Register:
        """The register behind a resource."""
        return next(s.register for s in self.sent if s.contract.id == resource)

    def changes(self, resource: str) -> list[Change]:
        """Every change of a resource in the order in which it is published."""
        one = next(s for s in self.sent if s.contract.id == resource)
        out = list(_changes(one.contract.key, one.register))
        return out + [(None, row) for row in self.live] if resource == LIVE_RESOURCE else out


def write_sample(folder: Path, events: int, seed: int) -> Sample:
    """Generate a city of about `events` change events and write its files to `folder`."""
    live = min(_LIVE_MOST, max(50, int(events * _LIVE_SHARE)))
    rng = Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    sent = []
    for n, register in enumerate(build_city(max(500, events - live), seed)):
        contract = load_contract(CONTRACTS / f"{register.resource}.avsc")
        encoding = "gb18030" if n % 2 else "utf-8-sig"  # half of the city still exports in the national encoding
        files = (folder / f"{contract.id}.1.csv", folder / f"{contract.id}.2.csv")
        bad = tuple(
            write_csv(path, contract, rows, encoding, Random(rng.random()))
            for path, rows in zip(files, (register.first, register.second), strict=True)
        )
        sent.append(Sent(contract, register, files, (bad[0], bad[1])))
    population = next(s for s in sent if s.contract.id == LIVE_RESOURCE)
    return Sample(sent, more_rows(population.register, live, seed + 1))


def _changes(key: tuple[str, ...], register: Register) -> Iterator[Change]:
    """As the file adapter publishes them: in file order, and what the second file lacks at its end."""
    was = {tuple(row[k] for k in key): row for row in register.first}
    yield from ((None, row) for row in register.first)
    still = set()
    for row in register.second:
        place = tuple(row[k] for k in key)
        still.add(place)
        before = was.get(place)
        if before != row:
            yield before, row
    yield from ((row, None) for place, row in was.items() if place not in still)
