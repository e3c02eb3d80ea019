"""`bus demo`: the sample city from its departments' files to its subscribers' databases, and the reckoning at the end."""

from __future__ import annotations

import hashlib
import hmac
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from infra.bus.demo import accounts
from infra.bus.demo.accounts import GrantAccount
from infra.bus.demo.expected import REFERENCES, expect, prefix_table
from infra.bus.demo.flow import deliveries, drain, exchange, wait_exchanged
from infra.bus.demo.report import DemoReport
from infra.bus.demo.sample import CONTRACTS, GRANTS, LIVE_RATE, LIVE_RESOURCE, Sample, write_sample
from infra.bus.demo.story import Counting, Story
from infra.bus.latency import RowMeter, latencies_ms, percentile, publish_paced
from infra.bus.throwaway import throwaway_cluster
from infra.cluster import Progress
from infra.control import Fence, apply_files, revoke
from infra.runtime.custodian import held_keys
from infra.runtime.settings import Settings
from producers.publisher import Publisher
from producers.run import contract_in_force, now_ms, publish_file
from schemas.errors import BusError
from schemas.grant import Grant, load_grants
from schemas.key_ring import KeyRing
from schemas.text import Text
from stream_apps.policy import derive_keys

SEED = 20261124
DEFAULT_EVENTS = 100_000
LIVE_GRANT = "rsj.population.2026-001"
"""The grant whose latency is measured: it filters nothing."""
REVOKED_GRANT = "wjw.population.2026-001"
_DRAIN_S = 240.0


@dataclass
class Demo:
    """One demonstration. `root` is made anew; everything of it stays there to be looked at."""

    root: Path
    events: int
    story: Story
    repository: str | None
    progress: Progress
    report: DemoReport = field(default_factory=DemoReport)
    _fence: Fence | None = None
    _revocation_error: BusError | None = None

    def run(self) -> DemoReport:
        """The whole way. Raises what its parts raise; whatever happens, nothing it started goes on running."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.story.step(
            f"making a sample city of about {self.events:,} events", f"生成示例城市, 约 {self.events:,} 条事件"
        )
        sample = write_sample(self.root / "files", self.events, SEED)
        self.story.step("starting Kafka and the schema registry", "启动 Kafka 与模式注册中心")
        with throwaway_cluster(self.root, self.repository, self.progress) as settings:
            self._on_cluster(settings, sample)
        self.report.seconds = self.story.seconds
        return self.report

    def _on_cluster(self, settings: Settings, sample: Sample) -> None:
        applied = apply_files(settings, [CONTRACTS, GRANTS], by="demo")
        grants = [g for path in sorted(GRANTS.glob("*.yaml")) for g in load_grants(path)]
        self.story.step(
            f"{len(applied) - len(grants)} contracts and {len(grants)} grants are in force",
            f"{len(applied) - len(grants)} 份数据契约、{len(grants)} 项授权生效",
        )
        with exchange(settings, self.root / "exchange.log") as metrics:
            self.story.step(f"the exchange runs; its metrics: {metrics}", f"交换程序已运行; 指标: {metrics}")
            with deliveries(settings, grants, self.root / "departments") as files:
                self._publish_files(settings, sample)
                self._live(settings, sample, files)
                wait_exchanged(settings, [s.contract.id for s in sample.sent], _DRAIN_S)
            drain(settings, files)
            self.story.step("everything is through; reckoning", "全部处理完毕; 开始对账")
            self._reckon(settings, sample, grants, files, metrics)

    def _publish_files(self, settings: Settings, sample: Sample) -> None:
        for part, (en, zh) in enumerate((("first", "首批"), ("second, changed", "第二批(有变更)"))):
            began, before = time.monotonic(), self.report.published
            rows = sum(len((s.register.first, s.register.second)[part]) for s in sample.sent)
            with self.story.counting(Text(f"publishing the {en} files", f"发布{zh}文件"), rows) as counting:
                done = 0
                for sent in sample.sent:
                    made = publish_file(
                        settings,
                        sent.mapping,
                        sent.files[part],
                        progress=_onto(counting, done),
                    )
                    done += made.rows
                    self.report.published += made.published.total()
                    self.report.quarantined += made.quarantined_rows
                    self.report.quarantined_expected += sent.bad[part]
            took, count = time.monotonic() - began, self.report.published - before
            self.story.step(
                f"published the {en} files of 8 departments: {count:,} events, {count / took:,.0f}/s",
                f"已发布 8 个部门的{zh}文件: {count:,} 条事件, {count / took:,.0f} 条/秒",
            )

    def _live(self, settings: Settings, sample: Sample, files: dict[str, Path]) -> None:
        """New residents at a steady rate; in the middle of them one grant is revoked."""
        wait_exchanged(settings, [s.contract.id for s in sample.sent], _DRAIN_S)
        meter = RowMeter(files[LIVE_GRANT], LIVE_GRANT)
        meter.settle(len(sample.register(LIVE_RESOURCE).second), _DRAIN_S)
        self.story.step(
            f"{len(sample.live):,} new residents register live, {LIVE_RATE} a second; "
            f"in the middle {REVOKED_GRANT} is revoked",
            f"{len(sample.live):,} 名新居民实时登记, 每秒 {LIVE_RATE} 名; 中途撤销 {REVOKED_GRANT}",
        )
        schema_id, contract = contract_in_force(settings, LIVE_RESOURCE, None)
        revocation = threading.Thread(target=self._revoke, args=[settings], name="revocation")

        def during(done: int) -> None:
            if done >= len(sample.live) // 2 and revocation.ident is None:
                revocation.start()

        meter.start()
        with Publisher(settings, "gongan.live", contract, schema_id, clock=now_ms) as publisher:
            acknowledged = publish_paced(publisher, "gongan.live", contract, sample.live, LIVE_RATE, during)
        self.report.published += len(acknowledged)
        meter.finish(len(sample.live), 60.0)
        revocation.join()
        if self._revocation_error is not None:
            raise self._revocation_error
        took = latencies_ms(acknowledged, meter.seen)
        self.report.latency_ms = {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99)}
        assert self._fence is not None
        self.report.revocation_ms = round(self._fence.milliseconds, 1)
        self.story.step(
            f"latency p50 {self.report.latency_ms['p50']} ms, p99 {self.report.latency_ms['p99']} ms; "
            f"revoked in {self.report.revocation_ms} ms at offset {self._fence.offsets[0]:,}",
            f"时延 p50 {self.report.latency_ms['p50']} 毫秒, p99 {self.report.latency_ms['p99']} 毫秒; "
            f"撤销用时 {self.report.revocation_ms} 毫秒, 止于位点 {self._fence.offsets[0]:,}",
        )

    def _revoke(self, settings: Settings) -> None:
        try:
            self._fence = revoke(settings, REVOKED_GRANT, by="demo")
        except BusError as error:
            self._revocation_error = error

    def _reckon(
        self, settings: Settings, sample: Sample, grants: list[Grant], files: dict[str, Path], metrics: str
    ) -> None:
        said = accounts.outcomes(metrics)
        self.report.published_expected = sum(len(sample.changes(s.contract.id)) for s in sample.sent)
        ring = held_keys(settings).ring
        assert self._fence is not None
        self.report.written_past_fence = accounts.records_past(settings, self._fence.topic, self._fence.offsets)
        for grant in grants:
            self.report.accounts.append(_account(grant, sample, files[grant.id], said, ring))


def _account(grant: Grant, sample: Sample, file: Path, said: dict[str, Counter[str]], ring: KeyRing) -> GrantAccount:
    reference = REFERENCES[grant.id]
    contract = next(s.contract for s in sample.sent if s.contract.id == grant.resource)
    changes = sample.changes(grant.resource)
    keys = derive_keys(ring, grant.subscriber, grant.id, ring.current)

    def token(value: str, meaning: str) -> str:
        key = keys.token(f"purpose:{grant.purpose}", meaning).key
        return f"{ring.current}-{hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:32]}"

    expectation = expect(reference, contract.key, changes, token)
    delivered, counts = accounts.held_events(file, grant.id), said.get(grant.id, Counter())
    revoked = grant.id == REVOKED_GRANT
    fields = [name for name in contract.by_name if name in grant.fields]
    if revoked:  # where in the stream the fence fell is not for us to choose: what came before it must be exact
        expected = min(delivered, len(expectation.events))
        table = prefix_table(expectation, expected)
        withheld = len(changes) - delivered - counts["failed"]
    else:
        expected, table, withheld = len(expectation.events), expectation.table, accounts.withheld(counts)
    held = accounts.table_rows(file, grant.id, fields)
    must = accounts.expected_rows({k: {f: row[f] for f in fields} for k, row in table.items()})
    return GrantAccount(grant.id, len(changes), expected, delivered, withheld, counts["failed"], held == must, revoked)


def _onto(counting: Counting, done: int) -> Callable[[str, int], None]:
    """Tell a bar of rows published on top of those of the files before."""

    def tell(stage: str, rows: int) -> None:
        if stage == "publish":
            counting(done + rows)

    return tell
