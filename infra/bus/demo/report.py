"""What a demonstration found, as a file for programs and a table for people."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.bus.demo.accounts import GrantAccount
from infra.bus.demo.story import Story
from infra.bus.output import facts
from infra.bus.session import Session
from schemas.text import Text


@dataclass(slots=True)
class DemoReport:
    """The findings.

    published, quarantined  change events, and rows kept back at the source; each beside what the generator made
    latency_ms              publish acknowledged -> row committed in SQLite, at the live rate
    revocation_ms           from the command until no worker could write any more
    """

    published: int = 0
    quarantined: int = 0
    published_expected: int = 0
    quarantined_expected: int = 0
    accounts: list[GrantAccount] = field(default_factory=list)
    revocation_ms: float | None = None
    latency_ms: dict[str, float] = field(default_factory=dict)
    written_past_fence: int = 0
    seconds: float = 0.0

    @property
    def reconciled(self) -> bool:
        """Every count is what it must be."""
        sources = self.published == self.published_expected and self.quarantined == self.quarantined_expected
        return sources and self.written_past_fence == 0 and all(a.reconciled for a in self.accounts)

    def as_json(self) -> dict[str, Any]:
        """The report as programs read it."""
        return {
            "published": self.published,
            "quarantined": self.quarantined,
            "per_grant": [
                {
                    "grant": a.grant,
                    "expected": a.expected,
                    "delivered": a.delivered,
                    "withheld": a.withheld,
                    "dead_lettered": a.dead_lettered,
                    "table_equal": a.table_equal,
                    "revoked": a.revoked,
                }
                for a in self.accounts
            ],
            "revocation_ms": self.revocation_ms,
            "written_past_fence": self.written_past_fence,
            "latency_ms": self.latency_ms,
            "seconds": round(self.seconds, 1),
            "reconciled": self.reconciled,
        }

    def write(self, path: Path) -> None:
        """Write the report where programs look for it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        draft.write_text(json.dumps(self.as_json(), indent=2) + "\n")
        draft.replace(path)

    def finish(self, session: Session, story: Story, path: Path) -> None:
        """Tell what was found: the reckoning as a table, or the report as JSON."""
        if session.json:
            facts(session, self.as_json())
            return
        self._show(story)
        verdict = (
            ("every record is accounted for", "逐条对账一致") if self.reconciled else ("NOT reconciled", "对账不一致")
        )
        story.step(
            f"published {self.published:,}, quarantined {self.quarantined:,}: {verdict[0]}; report: {path}",
            f"已发布 {self.published:,}, 隔离 {self.quarantined:,}: {verdict[1]}; 报告: {path}",
        )

    def _show(self, story: Story) -> None:
        """The reckoning, a line for each grant."""
        headings = [
            Text("grant", "授权"),
            Text("published", "已发布"),
            Text("expected", "应收"),
            Text("delivered", "实收"),
            Text("withheld", "未放行"),
            Text("dead letters", "异常"),
            Text("table", "表"),
            Text("", ""),
        ]
        rows = [
            [
                a.grant + (" (revoked)" if a.revoked else ""),
                f"{a.published:,}",
                f"{a.expected:,}",
                f"{a.delivered:,}",
                f"{a.withheld:,}",
                f"{a.dead_lettered:,}",
                "=" if a.table_equal else "≠",
                "✓" if a.reconciled else "✗",
            ]
            for a in self.accounts
        ]
        story.table(headings, rows)
