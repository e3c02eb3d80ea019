"""bus suspend, resume, terminate, destroyed, rectified: grants that stop, go on, or are over, and what follows from it."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from infra.bus.output import confirm, facts, note, table, warn, write
from infra.bus.session import Session
from schemas.text import Text

_SHOWN = 20


def add(app: typer.Typer, session: Session) -> None:
    """The verbs of this group."""
    say, panel = session.say, session.say("Sharing", "共享")
    yes_help = say("Do not ask.", "不再询问。")
    ids = typer.Argument(help=say("Their ids.", "授权编号。"), show_default=False)
    statement = typer.Option(..., "--statement", help=say("What was done, in words.", "处理情况说明。"))

    @app.command(rich_help_panel=panel, help=say("Stop grants until they are resumed.", "暂停授权, 直至恢复。"))
    def suspend(
        grants: Annotated[list[str], ids], yes: bool = typer.Option(False, "--yes", "-y", help=yes_help)
    ) -> None:
        _suspend(session, grants, yes)

    @app.command(
        rich_help_panel=panel,
        help=say("Let suspended grants go on, each in a new topic.", "恢复已暂停的授权, 各用新的主题。"),
    )
    def resume(grants: Annotated[list[str], ids]) -> None:
        _resume(session, grants)

    @app.command(
        rich_help_panel=panel,
        help=say(
            "End all grants of a department, on a resource, or for a purpose.", "终止某部门、某资源或某用途的全部授权。"
        ),
    )
    def terminate(
        department: str | None = typer.Option(None, help=say("As subscriber or provider.", "作为需求方或提供方。")),
        resource: str | None = typer.Option(None, help=say("Its id.", "资源编号。")),
        purpose: str | None = typer.Option(None, help=say("As the grants say it.", "与授权所载一致。")),
        dry_run: bool = typer.Option(False, "--dry-run", help=say("Only say which.", "仅列出涉及的授权。")),
        yes: bool = typer.Option(False, "--yes", "-y", help=yes_help),
    ) -> None:
        _terminate(session, {"department": department, "resource": resource, "purpose": purpose}, dry_run, yes)

    @app.command(
        rich_help_panel=panel,
        help=say(
            "Confirm that what was received under an ended grant is destroyed.", "确认已销毁依已终止授权获得的数据。"
        ),
    )
    def destroyed(
        grant: str = typer.Argument(help=say("Its id.", "授权编号。")),
        statement: str = statement,
        generation: int | None = typer.Option(None, min=1, help=say("By default the newest ended.", "默认最近终止。")),
    ) -> None:
        _destroyed(session, grant, statement, generation)

    @app.command(
        rich_help_panel=panel,
        help=say("Say that what a grant was suspended for is mended.", "说明授权被暂停的问题已整改。"),
    )
    def rectified(grant: str = typer.Argument(help=say("Its id.", "授权编号。")), statement: str = statement) -> None:
        _rectified(session, grant, statement)


def _suspend(session: Session, grants: Sequence[str], yes: bool) -> None:
    from infra.control import revoke_all

    settings = session.settings().located()
    by = session.person_unless_asked(settings)
    question = Text(f"Suspend {len(grants)} grants now?", f"确定立即暂停 {len(grants)} 项授权吗?")
    confirm(session, question, yes=yes)
    show_fences(session, revoke_all(settings, grants, reason="suspended", by=by), alone=len(grants) == 1)


def _resume(session: Session, grants: Sequence[str]) -> None:
    from infra.bus.application_shown import SIDES
    from infra.control import resume
    from infra.control.facts import GrantApplied
    from infra.control.resume import StillSuspended

    settings = session.settings().located()
    done = resume(settings, grants, by=session.person_unless_asked(settings))
    if session.json:
        facts(session, done)
        return
    say = session.say
    rows = [[g.grant, g.generation, g.topic] for g in done if isinstance(g, GrantApplied)]
    table([say("grant", "授权"), say("gen.", "代"), say("goes on in", "新主题")], rows)
    for still in (g for g in done if isinstance(g, StillSuspended)):
        by = [SIDES[one] for one in still.suspended_by if one in SIDES]
        en, zh = " and ".join(t.en for t in by), "、".join(t.zh for t in by)
        warn(
            session,
            Text(f"{still.grant} stays suspended, for the {en} too.", f"{still.grant} 仍为暂停状态: {zh}亦已暂停。"),
        )


def _terminate(session: Session, parts: dict[str, str | None], dry_run: bool, yes: bool) -> None:
    from infra.control import Scope, state, terminate

    settings, scope = session.settings().located(), Scope(**parts)
    scope.check()
    found = scope.concerned(state(settings))
    if dry_run or not found:
        if session.json:
            facts(session, [g.grant.id for g in found])
        else:
            _list(session, found)
            note(session, Text(f"{len(found)} grants; nothing was written.", f"{len(found)} 项授权; 未写入任何内容。"))
        return
    if not session.json:
        _list(session, found)
    confirm(session, Text(f"End {len(found)} grants for good?", f"确定永久终止 {len(found)} 项授权吗?"), yes=yes)
    show_fences(session, terminate(settings, scope, by=session.person_unless_asked(settings)))


def _list(session: Session, found: Sequence[Any]) -> None:
    say = session.say
    rows = [[g.grant.id, g.grant.subscriber, g.grant.resource, g.grant.purpose] for g in found[:_SHOWN]]
    headings = [say("grant", "授权"), say("subscriber", "需求部门"), say("resource", "资源"), say("purpose", "用途")]
    table(headings, rows)
    if len(found) > _SHOWN:
        more = len(found) - _SHOWN
        note(session, Text(f"and {more} more.", f"另有 {more} 项。"))


def show_fences(session: Session, fences: Sequence[Any], *, alone: bool = False) -> None:
    """Where grants ended, and what follows from it. As JSON a list, or of one that was named `alone` just that."""
    if session.json:
        facts(session, fences[0] if alone else fences)
        return
    say = session.say
    rows = [
        [f.grant, f.generation, ", ".join(f"{p}:{o}" for p, o in sorted(f.offsets.items())), f.destroy_by or ""]
        for f in fences[:_SHOWN]
    ]
    headings = [say("grant", "授权"), say("gen.", "代"), say("ended at (partition:offset)", "止点(分区:位点)")]
    table([*headings, say("destroy by", "销毁期限")], rows)
    took = max((f.milliseconds for f in fences), default=0.0)
    write(
        say(
            f"{len(fences)} grants ended in {took:.0f} ms; nothing is released after these offsets, nothing before them can be read.",
            f"{len(fences)} 项授权已在 {took:.0f} 毫秒内终止; 上述位点之后不再放行, 之前的内容不再可读。",
        )
    )
    for worker in sorted({w for f in fences for w in f.fenced_out}):
        warn(
            session, Text(f"worker {worker} did not answer and was shut out.", f"工作进程 {worker} 无应答, 已被隔离。")
        )


def _destroyed(session: Session, grant: str, statement: str, generation: int | None) -> None:
    from infra.control.applications.log import act
    from infra.control.destruction import confirm_destroyed

    settings = session.settings().located()
    _confirmed(session, confirm_destroyed(settings, grant, statement, act, generation=generation))


def _rectified(session: Session, grant: str, statement: str) -> None:
    from infra.control.applications.log import act
    from infra.control.destruction import confirm_rectified

    _confirmed(session, confirm_rectified(session.settings().located(), grant, statement, act))


def _confirmed(session: Session, said: Any) -> None:
    if session.json:
        facts(session, said)
        return
    write(
        session.say(
            f"Recorded for {said.grant}, generation {said.generation}.",
            f"已记录: {said.grant} 第 {said.generation} 代。",
        )
    )
