"""bus masks: which masks a grant may name."""

from typing import Any

import typer

from infra.bus.output import facts, table
from infra.bus.session import Session
from schemas.text import Text

WORDS = {
    "pass": Text("as it is; releasing unchanged is a decision too", "原样放行; 不变也须明确授权"),
    "drop": Text("not released", "不放行"),
    "partial": Text("first and last characters stay, stars between", "保留首尾字符, 中间以 * 代替"),
    "pseudonym": Text(
        "HMAC-SHA256 under the subscriber's key: joins, but does not reveal",
        "以需求方密钥计算 HMAC-SHA256: 可关联, 不可还原",
    ),
    "truncate": Text("the first characters only", "仅保留前若干字符"),
    "bucket": Text("the range a number lies in", "数值所在区间"),
    "date_to_year": Text("the year of a date (Asia/Shanghai)", "日期仅保留年份(北京时间)"),
}


def add(app: typer.Typer, session: Session) -> None:
    """The verb of this group."""
    say = session.say

    @app.command(rich_help_panel=say("Sharing", "共享"), help=say("Which masks there are.", "列出可用的脱敏方式。"))
    def masks() -> None:
        from stream_apps.policy.masks import MASKS

        rows = [_facts(session, name, mask) for name, mask in MASKS.items()]
        if session.json:
            facts(session, rows)
            return
        headings = [say("mask", "脱敏方式"), say("what it does", "说明"), say("parameters", "参数")]
        table(headings, [[r["mask"], r["title"], ", ".join(r["parameters"])] for r in rows])


def _facts(session: Session, name: str, mask: Any) -> dict[str, Any]:
    words = WORDS.get(name)
    return {
        "mask": name,
        "title": words.to(session.language) if words else name,
        "parameters": list(mask.model_fields),
    }
