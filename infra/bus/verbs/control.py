"""bus apply, revoke, grants, reap: what may be shared."""

from pathlib import Path
from typing import Annotated, Any

import typer

from infra.bus.output import confirm, facts, note, table, warn
from infra.bus.session import Session
from schemas.text import Text


def add(app: typer.Typer, session: Session) -> None:
    """The verbs of this group."""
    say, panel = session.say, session.say("Sharing", "共享")
    yes_help = say("Do not ask.", "不再询问。")

    @app.command(
        rich_help_panel=panel,
        help=say(
            "Put contracts (.avsc), grants, combination rules, directory and catalogue (.yaml) in force; draft applications.",
            "使数据契约(.avsc)、授权、组合规则、机构与目录(.yaml)生效; 起草申请。",
        ),
    )
    def apply(
        paths: Annotated[
            list[Path] | None, typer.Argument(help=say("Files and folders.", "文件与目录。"), show_default=False)
        ] = None,
        file: Annotated[list[Path] | None, typer.Option("--file", "-f", help=say("The same.", "同上。"))] = None,
        dry_run: bool = typer.Option(
            False, "--dry-run", help=say("Only say what would change.", "仅显示将发生的变化。")
        ),
    ) -> None:
        _apply(session, [*(paths or []), *(file or [])], dry_run)

    @app.command(
        rich_help_panel=panel, help=say("End grants, and prove where they ended.", "终止授权, 并给出终止位点。")
    )
    def revoke(
        grants: Annotated[list[str], typer.Argument(help=say("Their ids.", "授权编号。"), show_default=False)],
        reason: str = typer.Option(
            "revoked",
            help=say("revoked, suspended, expired or withdrawn.", "revoked、suspended、expired 或 withdrawn。"),
        ),
        yes: bool = typer.Option(False, "--yes", "-y", help=yes_help),
    ) -> None:
        _revoke(session, grants, reason, yes)

    @app.command(rich_help_panel=panel, help=say("Which grants there are.", "列出授权。"))
    def grants(
        every: bool = typer.Option(False, "--all", "-a", help=say("Also those that have ended.", "包括已终止的。")),
    ) -> None:
        _grants(session, every)

    @app.command(
        rich_help_panel=panel,
        help=say(
            "End what has expired, delete topics of what ended long ago.", "终止到期授权, 删除早已终止授权的主题。"
        ),
    )
    def reap(
        older_than_days: float = typer.Option(7.0, min=0.0, help=say("Days since the end.", "终止后的天数。")),
        dry_run: bool = typer.Option(
            False, "--dry-run", help=say("Only say what would be done.", "仅显示将执行的操作。")
        ),
        yes: bool = typer.Option(False, "--yes", "-y", help=yes_help),
    ) -> None:
        _reap(session, older_than_days, dry_run, yes)


_ACTIONS = {
    "created": Text("created", "新建"),
    "changed": Text("changed", "变更"),
    "unchanged": Text("unchanged", "无变化"),
    "skipped": Text("skipped", "跳过"),
}
_KINDS = {
    "contract": Text("contract", "契约"),
    "grant": Text("grant", "授权"),
    "rule": Text("rule", "规则"),
    "application": Text("application", "申请"),
    "register": Text("directory or catalogue", "机构或目录"),
    "other": Text("other", "其他"),
}


def _apply(session: Session, paths: list[Path], dry_run: bool) -> None:
    from infra.bus.progress import progress
    from infra.bus.register_words import applied_rows, entries_told, reading_told
    from infra.control import Registered, apply_files
    from schemas.errors import ConfigError

    if not paths:
        raise ConfigError(
            Text("say which files or folders.", "请指明文件或目录。"),
            where="bus apply",
            hint=Text("For example: bus apply -f contracts/ -f grants/", "例如: bus apply -f contracts/ -f grants/"),
        )
    with progress(session) as bars:
        found = apply_files(
            session.settings(),
            paths,
            dry_run=dry_run,
            by=session.person,
            told=lambda text: warn(session, text),
            read=reading_told(bars),
            entries=entries_told(bars),
        )
    if session.json:
        facts(session, found)
        return
    say, lang = session.say, session.language
    rows = [
        [_ACTIONS[a.action].to(lang), _KINDS[a.kind].to(lang), a.id, _detail(session, a.fact), a.file]
        for a in found
        if a.kind != "register"
    ]
    rows += [[*row, ""] for row in applied_rows(session, [a.fact for a in found if isinstance(a.fact, Registered)])]
    table(
        [say("action", "操作"), say("kind", "类别"), say("id", "编号"), say("detail", "详情"), say("file", "文件")],
        rows,
    )
    for applied in found:
        for line in getattr(applied.fact, "weakened", ()):
            warn(session, Text(f"{applied.id} protects less: {line.en}", f"{applied.id} 保护放宽: {line.zh}"))
        for grant, why in getattr(applied.fact, "withheld", {}).items():
            warn(
                session,
                Text(f"grant {grant} is withheld from now on: {why.en}", f"授权 {grant} 自此停止放行: {why.zh}"),
            )
    if dry_run:
        note(session, Text("Nothing was written (--dry-run).", "未写入任何内容(--dry-run)。"))


def _detail(session: Session, fact: Any) -> str:
    fence = getattr(fact, "fence", None)
    generation = getattr(fact, "generation", None)
    words = [] if generation is None else [session.say(f"generation {generation}", f"第 {generation} 代")]
    signed = getattr(fact, "signed", None)
    if signed is not None:
        words.append(
            session.say(
                f"signed by {signed.by} ({signed.signature.key})", f"{signed.by} 已签名({signed.signature.key})"
            )
        )
    if getattr(fact, "withdrawn", False):
        words.append(session.say("withdrawn", "已撤销"))
    reason = getattr(fact, "reason", None)
    if reason is not None:
        words.append(reason.to(session.language))
    if fence is not None:
        words.append(
            session.say(f"former ended in {fence.milliseconds:.0f} ms", f"前代于 {fence.milliseconds:.0f} 毫秒内终止")
        )
    return ", ".join(words)


def _revoke(session: Session, grants: list[str], reason: str, yes: bool) -> None:
    from typing import get_args

    from infra.bus.verbs.ends import show_fences
    from infra.control import revoke_all
    from schemas.errors import ConfigError
    from schemas.policy_log import EndReason

    if reason not in get_args(EndReason):
        raise ConfigError(
            Text(
                f"a reason is one of {', '.join(get_args(EndReason))}.",
                f"原因须为 {'、'.join(get_args(EndReason))} 之一。",
            ),
            where="--reason",
        )
    settings = session.settings().located()
    by = session.person_unless_asked(settings)
    names = ", ".join(grants)
    confirm(session, Text(f"End now: {names}?", f"确定立即终止 {names} 吗?"), yes=yes)
    fences = revoke_all(settings, grants, reason=reason, by=by)  # type: ignore[arg-type]  # checked above
    show_fences(session, fences, alone=len(grants) == 1)


def _history(session: Session, grant: Any) -> str:
    if grant.history is None or grant.state != "active":
        return ""
    share = 100 * grant.history.done // max(grant.history.of, 1)
    return session.say(f", history {share}%", f", 历史数据 {share}%")


def _grants(session: Session, every: bool) -> None:
    from infra.control import list_grants

    found = list_grants(session.settings().located(), ended=every)
    if session.json:
        facts(session, found)
        return
    say = session.say
    states = {
        "active": say("active", "生效"),
        "waiting": say("not yet valid", "未到生效日"),
        "withheld": say("withheld", "停止放行"),
        "ended": say("ended", "已终止"),
    }
    rows = [
        [
            g.grant,
            g.generation,
            states[g.state] + (f" ({g.end_reason})" if g.end_reason else _history(session, g)),
            g.subscriber,
            g.resource,
            f"{g.valid_from} / {g.valid_until}",
            g.topic,
            " ".join(f"{p}:{offset}" for p, offset in g.starts.items()),
            " ".join(f"{p}:{offset}" for p, offset in sorted((g.fence or {}).items())),
            *([g.destroy_by or ""] if every else []),
        ]
        for g in found
    ]
    headings = [say("grant", "授权"), say("gen.", "代"), say("state", "状态"), say("subscriber", "需求部门")]
    headings += [say("resource", "资源"), say("valid", "有效期"), say("topic", "主题")]
    headings += [say("begins", "起点"), say("ended at", "终点")]
    table([*headings, say("destroy by", "销毁期限")] if every else headings, rows)
    for g in found:
        if g.withheld is not None:
            warn(
                session,
                Text(
                    f"nothing is released under {g.grant} for now: {g.withheld.en}",
                    f"授权 {g.grant} 暂停放行: {g.withheld.zh}",
                ),
            )


def _reap(session: Session, days: float, dry_run: bool, yes: bool) -> None:
    from infra.control import reap

    settings = session.settings().located()
    if not dry_run:
        planned = reap(settings, older_than=days * 86_400, dry_run=True)
        n, e = len(planned.deleted), len(planned.expired)
        if n or e:
            question = Text(
                f"End {e} expired grants and delete {n} topics?", f"确定终止 {e} 项到期授权并删除 {n} 个主题吗?"
            )
            confirm(session, question, yes=yes)
    done = reap(settings, older_than=days * 86_400, by=session.person, dry_run=dry_run)
    if session.json:
        facts(session, done)
        return
    say = session.say
    rows = [[say("ended", "终止"), g, say("expired", "到期")] for g in done.expired]
    rows += [[say("deleted", "删除"), t, ""] for t in done.deleted]
    rows += [[say("kept", "保留"), t, why.to(session.language)] for t, why in done.kept.items()]
    table([say("action", "操作"), say("what", "对象"), say("reason", "原因")], rows)
