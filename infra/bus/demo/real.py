"""`bus demo --real`: the real registrations of Guiyang from 市场监督管理局 to three subscribers.

税务局 gets two districts with legal representatives partly masked and capital in intervals, 统计局 no names at all, 公众
(the resource is open) only name, code and year. What must arrive is worked out from the CSV itself with the standard
library alone, and compared with what did.
"""

from __future__ import annotations

import csv
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.bus.demo import accounts
from infra.bus.demo.accounts import GrantAccount
from infra.bus.demo.flow import deliveries, drain, exchange, wait_exchanged
from infra.bus.demo.report import DemoReport
from infra.bus.demo.story import Story
from infra.bus.throwaway import throwaway_cluster
from infra.cluster import Progress
from infra.control import apply_files
from infra.runtime.settings import Settings
from producers.run import publish_file
from schemas.errors import ConfigError
from schemas.grant import load_grants
from schemas.text import Text

EXAMPLES = Path(__file__).parents[3] / "producers" / "adapters" / "file" / "examples"
GRANTS = Path(__file__).parent / "real_grants"
RESOURCE = "scjg.enterprise_registration"
_DISTRICTS = ("云岩区", "南明区", "花溪区", "乌当区", "白云区", "观山湖区", "清镇市", "修文县", "开阳县", "息烽县")
_EDGES = (0, 10_000_000, 100_000_000, 1_000_000_000)

Line = dict[str, str]


@dataclass
class RealDemo:
    """One run over a real file, on a cluster of its own in `root`, which is made anew."""

    root: Path
    data: Path
    story: Story
    repository: str | None
    progress: Progress
    report: DemoReport = field(default_factory=DemoReport)

    def run(self) -> DemoReport:
        """The whole way. ConfigError if there is no such file."""
        if not self.data.is_file():
            raise ConfigError(
                Text("there is no such file.", "没有此文件。"),
                where=str(self.data),
                hint=Text("Say which: make demo-real DATA=FILE.csv", "请指定: make demo-real DATA=文件.csv"),
            )
        shutil.rmtree(self.root, ignore_errors=True)
        self.story.step("starting Kafka and the schema registry", "启动 Kafka 与模式注册中心")
        with throwaway_cluster(self.root, self.repository, self.progress) as settings:
            self._on_cluster(settings)
        self.report.seconds = self.story.seconds
        return self.report

    def _on_cluster(self, settings: Settings) -> None:
        apply_files(settings, [EXAMPLES / f"{RESOURCE}.avsc", GRANTS], by="demo")
        grants = [g for path in sorted(GRANTS.glob("*.yaml")) for g in load_grants(path)]
        with exchange(settings, self.root / "exchange.log") as metrics:
            with deliveries(settings, grants, self.root / "departments") as files:
                self.story.step(f"市场监督管理局 publishes {self.data}", f"市场监督管理局发布 {self.data}")
                made = publish_file(settings, EXAMPLES / "guiyang_registrations.yaml", self.data)
                wait_exchanged(settings, [RESOURCE], 120.0)
            drain(settings, files)
            said = accounts.outcomes(metrics)
        for (name, why), count in sorted(made.nulled.items()):
            self.story.step(f"{name}: {count} values made null ({why})", f"{name}: {count} 个值置空({why})")
        lines = list(read(self.data))
        self.report.published, self.report.quarantined = made.published.total(), made.quarantined_rows
        self.report.published_expected, self.report.quarantined_expected = len(lines), 0
        for grant in grants:
            subscriber = SUBSCRIBERS[grant.subscriber]
            must = Counter(subscriber.release(line) for line in lines if subscriber.wanted(line))
            fields = list(subscriber.fields)
            held = accounts.table_rows(files[grant.id], grant.id, fields)
            counts = said.get(grant.id, Counter())
            self.report.accounts.append(
                GrantAccount(
                    grant.id,
                    len(lines),
                    must.total(),
                    accounts.held_events(files[grant.id], grant.id),
                    accounts.withheld(counts),
                    counts["failed"],
                    held == must,
                )
            )
            self.story.sample(grant.id, fields, sorted(held, key=repr)[:3])


@dataclass(frozen=True)
class Subscriber:
    """A grant by hand, over lines of the CSV: which lines, and what of them, in the order of `fields`."""

    fields: tuple[str, ...]
    wanted: Callable[[Line], bool]
    release: Callable[[Line], tuple[Any, ...]]


def read(path: Path) -> Iterator[Line]:
    """The lines of the real CSV, by Chinese column name, blanks around values gone."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for line in csv.DictReader(file):
            yield {k: v.strip() for k, v in line.items()}


def _none(text: str) -> str | None:
    return None if text in ("N/A", "") else text


def _district(line: Line) -> str | None:
    places = [(line["注册地址"].find(d), d) for d in _DISTRICTS if d in line["注册地址"]]
    return min(places)[1] if places else None


def _capital(line: Line) -> str | None:
    """The interval of the capital in cents; another currency than renminbi is null."""
    text = _none(line["注册资金"])
    if text is None:
        return None
    match = re.fullmatch(r"([\d,]+)(?:\.(\d+))?[\(（]?\s*(万?)(元人民币|人民币元|人民币|元)?[\)）]?", text)
    if match is None:
        return None
    whole, fraction, ten_thousand = match[1].replace(",", ""), match[2] or "", match[3]
    unit = 1_000_000 if ten_thousand or not match[4] else 100
    cents = int(whole) * unit + int(fraction or 0) * unit // 10 ** len(fraction)
    if cents >= _EDGES[-1]:
        return f">={_EDGES[-1]}"
    low = max(e for e in _EDGES if e <= cents)
    return f"[{low},{_EDGES[_EDGES.index(low) + 1]})"


def _first_character(text: str | None) -> str | None:
    if text is None:
        return None
    return text[:1] + "*" * (len(text) - 1) if len(text) > 1 else "*"


SUBSCRIBERS = {
    "shuiwu": Subscriber(
        ("uscc", "name", "legal_representative", "capital_cents", "registered_on"),
        lambda line: _district(line) in ("云岩区", "南明区"),
        lambda line: (
            line["统一社会信用代码"],
            line["企业名称"],
            _first_character(_none(line["法人代表"])),
            _capital(line),
            line["注册日期"],
        ),
    ),
    "tjj": Subscriber(
        ("capital_cents", "registered_on", "district"),
        lambda line: True,
        lambda line: (_capital(line), int(line["注册日期"][:4]), _district(line)),
    ),
    "public": Subscriber(
        ("uscc", "name", "registered_on"),
        lambda line: True,
        lambda line: (line["统一社会信用代码"], line["企业名称"], int(line["注册日期"][:4])),
    ),
}
