"""bus acls: whether the broker allows what is in force, and nothing else."""

import typer

from infra.bus.output import confirm, facts, note, table, warn, write
from infra.bus.session import Session
from schemas.text import Text

OPEN = Text(
    "This cluster asks nobody who they are: everybody who reaches it may do everything. Nothing was done.",
    "此集群不验证身份: 任何可连接者均可执行任何操作。未做任何更改。",
)


def add(app: typer.Typer, session: Session) -> None:
    """The verb of this group."""
    say = session.say

    @app.command(
        rich_help_panel=say("Cluster", "集群"),
        help=say(
            "Compare what the broker allows with what is in force. Exit code 1 if it differs and is not repaired.",
            "比较 broker 所允许的与已生效的内容。有差异且未修复时退出码为 1。",
        ),
    )
    def acls(
        repair: bool = typer.Option(
            False,
            "--repair",
            help=say("Mend it, and tell desks what they lack.", "修复差异, 并补全部门专用主题。"),
        ),
        yes: bool = typer.Option(False, "--yes", "-y", help=say("Do not ask.", "不再询问。")),
    ) -> None:
        if _acls(session, repair, yes):
            raise typer.Exit(1)


def _acls(session: Session, repair: bool, yes: bool) -> bool:
    """Whether the broker still differs."""
    from infra.control import repair_acls, show_acls

    settings = session.settings().located()
    found = show_acls(settings)
    if repair and found.guarded:
        if found.surplus or found.missing:
            n, m = len(found.surplus), len(found.missing)
            confirm(session, Text(f"Remove {n} ACLs and add {m}?", f"确定删除 {n} 条并新增 {m} 条 ACL 吗?"), yes=yes)
        found = repair_acls(settings)
    differs = found.guarded and not found.repaired and bool(found.missing or found.surplus)
    if session.json:
        facts(session, found)
        return differs
    if not found.guarded:
        warn(session, OPEN)
        return False
    say = session.say
    kinds = (
        (say("added", "已新增") if repair else say("missing", "缺失"), found.missing),
        (say("removed", "已删除") if repair else say("too much", "多余"), found.surplus),
        (say("left", "保留"), found.left),
    )
    rows = [[what, a.principal, a.operation, a.kind, a.name, a.pattern] for what, acls in kinds for a in acls]
    if rows:
        headings = [say("user", "用户"), say("operation", "操作"), say("kind", "类别"), say("name", "名称")]
        table([say("difference", "差异"), *headings, say("pattern", "匹配")], rows)
    else:
        write(say("The broker allows what is in force, and nothing else.", "broker 所允许的与已生效内容一致。"))
    if found.told:
        note(session, Text(f"{found.told} entries written to desks.", f"已向部门专用主题补写 {found.told} 条。"))
    return differs
