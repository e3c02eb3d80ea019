"""Applications as a person reads them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from infra.bus.output import facts, table, warn, write
from infra.bus.session import Session
from infra.control.applications.case import Case
from infra.control.applications.granting import Granted
from infra.control.applications.shown import ApplicationFacts, ItemFacts, OrderFacts
from schemas.clock import SHANGHAI
from schemas.errors import BusError
from schemas.text import Text

STATUSES: Mapping[str, Text] = {
    "draft": Text("draft", "草稿"),
    "submitted": Text("submitted", "已提交"),
    "supplement_requested": Text("supplement requested", "待补正"),
    "approved": Text("approved", "已同意"),
    "partly_approved": Text("partly approved", "部分同意"),
    "refused": Text("refused", "不予同意"),
    "withdrawn": Text("withdrawn", "已撤回"),
    "open": Text("to be decided", "待审批"),
    "granted": Text("granted", "已授权"),
    "suspended": Text("suspended", "已暂停"),
    "terminated": Text("terminated", "已终止"),
    "expired": Text("expired", "已到期"),
}
_DEEDS: Mapping[str, Text] = {
    "drafted": Text("drafted", "起草"),
    "submitted": Text("submitted", "提交"),
    "supplement_requested": Text("requested supplements", "要求补正"),
    "form_checked": Text("checked its form", "形式审查"),
    "extended": Text("extended", "延期"),
    "mediated": Text("mediated", "协调"),
    "approved": Text("approved", "同意"),
    "refused": Text("refused", "不予同意"),
    "withdrawn": Text("withdrew", "撤回"),
    "auto_replied": Text("replied automatically", "自动答复"),
}
SIDES: Mapping[str, Text] = {
    "provider": Text("provider", "提供方"),
    "subscriber": Text("subscriber", "需求方"),
    "bureau": Text("data bureau", "数据主管部门"),
}
"""On whose behalf somebody acts."""
_ORDERS: Mapping[str, Text] = {
    "suspended": Text("suspended", "暂停"),
    "lifted": Text("took back a suspension", "撤回暂停"),
    "resumed": Text("resumed", "恢复"),
    "revoked": Text("revoked", "撤销"),
    "withdrawn": Text("withdrew the grant", "撤回授权"),
    "expired": Text("expired", "到期终止"),
}
_NAMED = 3


def show_case(session: Session, case: Case) -> None:
    """What an act made of it, in a line."""
    if session.json:
        facts(
            session,
            {
                "application": case.application.id,
                "status": case.status,
                "grants": [*case.items],
                "act": case.history[-1],
            },
        )
        return
    count, name = len(case.items), case.application.id
    status = _status(session, case.status)
    write(session.say(f"{name}: {status}, {count} grants", f"{name}: {status}, {count} 项授权"))


def show_decided(
    session: Session,
    case: Case,
    decided: Sequence[str],
    granted: Granted | None = None,
    failed: BusError | None = None,
) -> None:
    """What one side's word made of it, and what was granted because of it."""
    granted = granted or Granted((), {})
    if session.json:
        opened = [{"grant": g.grant, "topic": g.topic, "epoch": g.epoch} for g in granted.opened]
        found = {"application": case.application.id, "status": case.status, "decided": [*decided], "granted": opened}
        facts(session, {**found, "blocked": granted.blocked, "not_granted": failed.what if failed else None})
        return
    show_case(session, case)
    count, opened_count = len(decided), len(granted.opened)
    write(session.say(f"decided: {count} grants", f"本次决定: {count} 项授权"))
    if opened_count:
        write(session.say(f"granted: {opened_count}, in force now", f"已开通: {opened_count} 项, 即时生效"))
    for grant, why in granted.blocked.items():
        warn(session, Text(f"{grant} cannot be granted: {why.en}", f"{grant} 无法开通: {why.zh}"))
    if failed is not None:
        warn(
            session,
            Text(
                f"the approval stands, but nothing was granted yet: {failed.what.en} The controller grants it.",
                f"审批已生效, 但尚未开通: {failed.what.zh} 将由控制器开通。",
            ),
        )


def show_list(session: Session, found: Sequence[ApplicationFacts]) -> None:
    """A line for each."""
    if session.json:
        facts(session, found)
        return
    say = session.say
    headings = [say("application", "申请"), say("status", "状态"), say("department", "部门"), say("grants", "授权")]
    rows = [
        [
            a.application,
            _status(session, a.status),
            a.department,
            _counts(session, a.grants),
            _when(a.submitted_at),
            a.title,
        ]
        for a in found
    ]
    table([*headings, say("submitted", "提交时间"), say("title", "标题")], rows)


def show_whole(session: Session, found: ApplicationFacts) -> None:
    """Grants, ends and history."""
    if session.json:
        facts(session, found)
        return
    say = session.say
    write(f"{found.application}: {found.title} ({_status(session, found.status)})")
    headings = [say("grant", "授权"), say("status", "状态"), say("subscriber", "需求方"), say("resource", "资源")]
    table(
        [*headings, say("provider", "提供方"), say("decided by", "审批人"), say("ended at", "终止位点")],
        [_item_row(session, item) for item in found.items],
    )
    write("")
    steps = [
        (s.at, f"{s.by} ({s.department})", _deed(session, s.deed, s.side), _note(session, s.note, s.days))
        for s in found.history
    ]
    steps += [(o.at, _who(o), _order(session, o), _grants(session, o.grants)) for o in found.orders]
    table(
        [say("when", "时间"), say("who", "经办人"), say("what", "事项"), say("note", "说明")],
        [[_when(at), *words] for at, *words in sorted(steps, key=lambda step: step[0])],
    )


def _who(order: OrderFacts) -> str:
    return f"{order.by} ({order.department})" if order.department else order.by


def _order(session: Session, order: OrderFacts) -> str:
    words = _ORDERS.get(order.what, Text(order.what, order.what)).to(session.language)
    side = f" ({SIDES[order.capacity].to(session.language)})" if order.capacity else ""
    return (
        words
        + side
        + (session.say(" - signature does not verify", " - 签名未通过核验") if order.proven is False else "")
    )


def _grants(session: Session, grants: Sequence[str]) -> str:
    named, more = ", ".join(grants[:_NAMED]), len(grants) - _NAMED
    return named if more <= 0 else session.say(f"{named} and {more} more", f"{named} 等 {len(grants)} 项")


def _item_row(session: Session, item: ItemFacts) -> list[str]:
    words = [
        f"{SIDES[side].to(session.language)}: {w.by or session.say('the law', '依法')}"
        for side, w in item.words.items()
    ]
    ends = [
        f"g{f.generation} " + (", ".join(f"{p}:{o}" for p, o in sorted(f.offsets.items())) if f.offsets else "…")
        for f in item.fences
    ]
    plain = [item.grant, _status(session, item.status), item.subscriber, item.resource, item.provider]
    return [*plain, "; ".join(words), "; ".join(ends)]


def _deed(session: Session, deed: str, side: str | None) -> str:
    words = _DEEDS.get(deed, Text(deed, deed)).to(session.language)
    return words if side is None else f"{words} ({SIDES[side].to(session.language)})"


def _note(session: Session, note: str, days: int) -> str:
    return note if not days else session.say(f"{days} working days: {note}", f"{days} 个工作日: {note}")


def _status(session: Session, status: str) -> str:
    return STATUSES.get(status, Text(status, status)).to(session.language)


def _counts(session: Session, counts: Mapping[str, int]) -> str:
    return ", ".join(f"{_status(session, status)} {n}" for status, n in counts.items())


def _when(at_ms: int | None) -> str:
    if at_ms is None:
        return ""
    return dt.datetime.fromtimestamp(at_ms / 1000, SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
