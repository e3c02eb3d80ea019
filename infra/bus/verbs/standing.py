"""bus standing: what a provider approves before it is asked; and what is answered without it."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.bus.output import confirm, facts, note, table, write
from infra.bus.session import Session
from schemas.text import Text

if TYPE_CHECKING:
    from infra.control.standing.desk import Proposal
    from schemas.approval import StandingItem


def add(app: typer.Typer, session: Session) -> None:
    """The verbs of this group."""
    say = session.say
    yes_help = say("Do not ask.", "不再询问。")
    file_help = say("The standing approval (.yaml).", "常态化授权文件(.yaml)。")
    group = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", add_completion=False)

    @group.command(help=say("The closed list a file expands to, or that was signed.", "文件展开的或已签署的清单。"))
    def show(
        what: str = typer.Argument(metavar="FILE|ID", help=say("A file, or the id of a signed one.", "文件或编号。")),
    ) -> None:
        if Path(what).exists() or what.endswith((".yaml", ".yml")):
            _show_file(session, Path(what))
        else:
            _show_signed(session, what)

    @group.command(
        help=say(
            "Sign your department's lines, all in one act: what differs is shown first.",
            "一次性签署本部门的全部清单行, 先显示与上次的差异。",
        )
    )
    def sign(
        file: Annotated[Path, typer.Argument(help=file_help)],
        yes: bool = typer.Option(False, "--yes", "-y", help=yes_help),
    ) -> None:
        _sign(session, file, yes)

    @group.command("list", help=say("What has been signed.", "列出已签署的常态化授权。"))
    def listed() -> None:
        _list(session)

    @group.command(help=say("End your department's lines; grants given go on.", "终止本部门的清单; 已有授权不受影响。"))
    def end(
        standing: str = typer.Argument(metavar="ID", help=say("Its id.", "编号。")),
        yes: bool = typer.Option(False, "--yes", "-y", help=yes_help),
    ) -> None:
        _end(session, standing, yes)

    @group.command(
        help=say(
            "Answer now what no provider needs to decide: lines in force, unconditional resources.",
            "立即答复无须提供部门决定的申请: 清单涵盖的与无条件共享的。",
        )
    )
    def reply(
        application: str = typer.Argument("", help=say("Of one application; by default of all.", "默认全部申请。")),
    ) -> None:
        _reply(session, application or None)

    app.add_typer(
        group,
        name="standing",
        rich_help_panel=say("Sharing", "共享"),
        help=say("Standing approvals.", "常态化授权。"),
    )


def _show_file(session: Session, file: Path) -> None:
    from infra.control.standing.desk import close_file

    found = close_file(session.settings().located(), file)
    if session.json:
        facts(session, [{"standing": d.id, "version": d.version, "list": closed} for d, closed in found])
        return
    _lines(session, [(p, i) for _, closed in found for p, items in closed.items.items() for i in items])
    for document, closed in found:
        _left_out(session, document.id, dict(closed.left_out))


def _show_signed(session: Session, standing: str) -> None:
    from infra.control.standing.desk import list_standing

    found = list_standing(session.settings().located(), standing)
    if session.json:
        facts(session, found)
        return
    _lines(session, [(s.provider, i) for s in found for i in s.items])


def _lines(session: Session, lines: "list[tuple[str, StandingItem]]") -> None:
    say = session.say
    rows = [
        [
            i.standing,
            i.version,
            provider,
            i.resource,
            i.subscriber,
            ", ".join(n if u.mask == "pass" else f"{n}: {u.mask}" for n, u in i.fields.items()),
            i.where or "",
            f"{i.valid.from_} / {i.valid.until}",
        ]
        for provider, i in lines
    ]
    headings = [say("standing", "常态化授权"), say("version", "版本"), say("provider", "提供部门")]
    more = [say("resource", "资源"), say("subscriber", "需求部门"), say("fields", "字段"), say("where", "条件")]
    table([*headings, *more, say("valid", "有效期")], rows)


def _sign(session: Session, file: Path, yes: bool) -> None:
    from infra.control.standing.desk import propose, sign_proposal
    from infra.control.standing.facts import standing_facts

    settings = session.settings().located()
    signed = []
    proposals = propose(settings, file)
    for proposal in proposals:
        if not proposal.lines and len(proposals) > 1:
            _unchanged(session, proposal)
            continue
        _difference(session, proposal)
        count, name = len(proposal.items), proposal.document.id
        question = Text(
            f"Approve these {count} lines of {name} for {proposal.provider}, without being asked again?",
            f"确定代表 {proposal.provider} 预先同意 {name} 的以上 {count} 行吗?",
        )
        if proposal.lines:
            confirm(session, question, yes=yes)
        signed.append(standing_facts(sign_proposal(settings, proposal), int(time.time() * 1000)))
    if session.json:
        facts(session, signed)
        return
    for s in signed:
        write(
            session.say(
                f"{s.standing} version {s.version}: {s.lines} lines signed by {s.signed_by} for {s.provider}.",
                f"{s.standing} 第 {s.version} 版: {s.signed_by} 已代表 {s.provider} 签署 {s.lines} 行。",
            )
        )


def _unchanged(session: Session, proposal: "Proposal") -> None:
    name = proposal.document.id
    note(session, Text(f"{name}: nothing has changed since it was signed.", f"{name}: 自上次签署以来没有变化。"))


def _difference(session: Session, proposal: "Proposal") -> None:
    """What is signed now beside what was signed before; people read it before they answer."""
    if not session.json:
        say = session.say
        words = {"added": say("added", "新增"), "removed": say("removed", "删除"), "changed": say("changed", "变更")}
        rows = [[words[d.change], d.resource, d.subscriber, ", ".join(d.what)] for d in proposal.lines]
        headings = [say("change", "变化"), say("resource", "资源"), say("subscriber", "需求部门")]
        table([*headings, say("what", "内容")], rows)
        _lines(session, [(proposal.provider, i) for i in proposal.items])
    _left_out(session, proposal.document.id, dict(proposal.left_out))


def _left_out(session: Session, standing: str, left_out: dict[str, Text]) -> None:
    for resource, why in left_out.items():
        note(
            session,
            Text(f"{standing} leaves out {resource}: {why.en}", f"{standing} 未包含 {resource}: {why.zh}"),
        )


def _list(session: Session) -> None:
    from infra.control.standing.desk import list_standing
    from infra.control.standing.facts import standing_facts

    now = int(time.time() * 1000)
    found = [standing_facts(s, now) for s in list_standing(session.settings().located())]
    if session.json:
        facts(session, found)
        return
    say = session.say
    states = {
        "active": say("active", "生效"),
        "waiting": say("not yet valid", "未到生效日"),
        "over": say("over", "已届满"),
        "ended": say("ended", "已终止"),
    }
    rows = [
        [
            s.standing,
            s.provider,
            s.version,
            states[s.state],
            s.lines,
            s.subscribers,
            s.resources,
            f"{s.valid_from} / {s.valid_until}",
            s.signed_by,
            s.title,
        ]
        for s in found
    ]
    headings = [
        say("standing", "常态化授权"),
        say("provider", "提供部门"),
        say("version", "版本"),
        say("state", "状态"),
    ]
    counts = [say("lines", "行数"), say("subscribers", "需求部门数"), say("resources", "资源数")]
    table([*headings, *counts, say("valid", "有效期"), say("signed by", "签署人"), say("title", "名称")], rows)


def _end(session: Session, standing: str, yes: bool) -> None:
    from infra.control.standing.desk import end_standing
    from infra.control.standing.facts import standing_facts

    settings = session.settings().located()
    confirm(session, Text(f"End your lines of {standing}?", f"确定终止本部门在 {standing} 中的清单吗?"), yes=yes)
    done = standing_facts(end_standing(settings, standing), int(time.time() * 1000))
    if session.json:
        facts(session, done)
        return
    write(
        session.say(
            f"{standing} approves nothing of {done.provider} any more; grants given under it go on until revoked.",
            f"{standing} 不再代表 {done.provider} 同意任何申请; 已有授权在终止前继续有效。",
        )
    )


def _reply(session: Session, application: str | None) -> None:
    from infra.control.standing.desk import reply

    done = reply(session.settings().located(), application)
    if session.json:
        facts(session, done)
        return
    say = session.say
    rows = [[r.application, g, f"{name}#{n}"] for r in done for g, (name, n) in r.standing.items()]
    rows += [[r.application, g, say("unconditional", "无条件共享")] for r in done for g in r.unconditional]
    table([say("application", "申请"), say("grant", "授权"), say("approved by", "依据")], rows)
