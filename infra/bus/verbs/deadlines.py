"""bus deadlines: who has to do what by when."""

from typing import Any

import typer

from infra.bus.output import facts, table, warn
from infra.bus.session import Session
from schemas.text import Text

_STEPS = {
    "reply": Text("reply", "答复"),
    "supplement": Text("supplement", "补正"),
    "delivery": Text("delivery", "提供数据"),
}
_AUTHORITY = {
    "authority": Text("data bureau (Art. 28)", "数据主管部门(第28条)"),
    "government": Text("government (Art. 28)", "本级政府(第28条)"),
}


def add(app: typer.Typer, session: Session) -> None:
    """The verb of this group."""
    say = session.say

    @app.command(
        rich_help_panel=say("Sharing", "共享"),
        help=say("Who has to do what by when for applications, in working days.", "共享申请各环节的办理时限(工作日)。"),
    )
    def deadlines(
        overdue: bool = typer.Option(False, "--overdue", help=say("Only what is late.", "仅显示超期。")),
        department: str = typer.Option(
            "", "--department", help=say("Only what concerns this one.", "仅显示与该部门有关的。"), show_default=False
        ),
        every: bool = typer.Option(False, "--all", help=say("Also what is done.", "包括已办结的。")),
    ) -> None:
        _deadlines(session, overdue, department, every)


def _deadlines(session: Session, overdue: bool, department: str, every: bool) -> None:
    from infra.bus.progress import progress
    from infra.control.deadlines.listing import check_calendar, list_deadlines

    settings = session.settings().located()
    with progress(session) as told:
        told.step(Text("Reading applications and grants", "读取申请与授权"))
        found = list_deadlines(settings, overdue=overdue, done=every, department=department or None)
    if session.json:
        facts(session, found)
    else:
        _show(session, found)
    for application, by_ms in found.behind.items():
        warn(
            session,
            Text(
                f"this host's clock is {by_ms / 1000:.0f} s behind the last step of {application}; that step's time was used.",
                f"本机时钟比 {application} 的最后一步落后 {by_ms / 1000:.0f} 秒; 已按该步骤的时间计算。",
            ),
        )
    check_calendar(found)


def _show(session: Session, found: Any) -> None:
    say = session.say
    headings = [say("application", "申请"), say("step", "环节"), say("who", "责任部门"), say("grants", "授权数")]
    headings += [say("received", "收到"), say("due", "截止"), say("days left", "剩余工作日"), say("remarks", "备注")]
    rows = [
        [
            d.application,
            _STEPS[d.step].to(session.language),
            d.department,
            len(d.grants),
            d.received,
            d.due or "",
            d.days_left,
            ", ".join(_remarks(session, d)),
        ]
        for d in found.due
    ]
    table(headings, rows, styles=["red" if d.overdue else "" for d in found.due])


def _remarks(session: Session, due: Any) -> list[str]:
    say = session.say
    words = []
    if due.overdue:
        words.append(say("late", "超期"))
    if due.escalated_to is not None:
        words.append(say("now with: ", "现由处理: ") + _AUTHORITY[due.escalated_to].to(session.language))
    if due.paused_since is not None:
        words.append(say(f"paused since {due.paused_since}", f"自 {due.paused_since} 起中止计时"))
    if due.extended_by:
        words.append(say(f"extended by {due.extended_by}", f"已延长 {due.extended_by} 个工作日"))
    if due.took is not None:
        words.append(say(f"done in {due.took} working days", f"已办结, 用时 {due.took} 个工作日"))
    if due.missing_year is not None:
        words.append(say(f"calendar of {due.missing_year} missing", f"缺少 {due.missing_year} 年工作日历"))
    return words
