"""bus principal: who can log in to a secured cluster."""

from pathlib import Path
from typing import Annotated

import typer

from infra.bus.output import confirm, facts, note, table, write
from infra.bus.session import Session
from schemas.text import Text


def add(app: typer.Typer, session: Session) -> None:
    """The verbs of this group."""
    say = session.say
    group = typer.Typer(
        no_args_is_help=True, help=say("Who can log in to a secured cluster.", "可登录安全集群的用户。")
    )
    app.add_typer(group, name="principal", rich_help_panel=say("Cluster", "集群"))
    department = typer.Argument(help=say("The department.", "部门。"))
    system = typer.Argument(help=say("Its system.", "系统。"))
    yes = typer.Option(False, "--yes", "-y", help=say("Do not ask.", "不再询问。"))

    @group.command(
        "add",
        help=say(
            "Credentials for a system, into a file. Again: the next version; the ones before go on working until retired.",
            "为系统生成凭据文件。再次执行则生成下一版本, 此前版本在停用前继续有效。",
        ),
    )
    def add_(
        to: Annotated[Path, typer.Option("--to", help=say("The file to write (0600).", "写入的文件(0600)。"))],
        department: str = department,
        system: str = system,
    ) -> None:
        _add(session, department, system, to)

    @group.command("list", help=say("Who can log in.", "可登录的用户。"))
    def list_() -> None:
        _list(session)

    @group.command(help=say("Remove a system's credentials but the newest.", "停用系统除最新版本外的凭据。"))
    def retire(
        department: str = department,
        system: str = system,
        every: bool = typer.Option(False, "--all", help=say("The newest too.", "包括最新版本。")),
        yes: bool = yes,
    ) -> None:
        _retire(session, department, system, every, yes)


def _add(session: Session, department: str, system: str, to: Path) -> None:
    from infra.control.principals import hand_over

    made = hand_over(session.settings().located(), department, system, to)
    if session.json:
        facts(session, made)
        return
    write(session.say(f"{made.user}: {made.file}", f"{made.user}: {made.file}"))
    note(
        session,
        Text(
            f"Hand it to the system's people outside the bus; they set BUS_CREDENTIALS={made.file.name}.",
            f"请在总线之外交给该系统人员; 使用时设置 BUS_CREDENTIALS={made.file.name}。",
        ),
    )
    if made.older:
        note(
            session,
            Text(
                f"{', '.join(made.older)} still work until: bus principal retire {department} {system}",
                f"{', '.join(made.older)} 在执行 bus principal retire {department} {system} 之前仍有效。",
            ),
        )


def _list(session: Session) -> None:
    from infra.control.principals import list_principals

    found = list_principals(session.settings().located())
    if session.json:
        facts(session, found)
        return
    say = session.say
    rows = [[f.user, f.department or "", f.system or "", f.version or "", "✓" if f.current else ""] for f in found]
    table([say("user", "用户"), say("department", "部门"), say("system", "系统"), say("version", "版本"), say("current", "当前")], rows)  # fmt: skip


def _retire(session: Session, department: str, system: str, every: bool, yes: bool) -> None:
    from infra.control.principals import retire

    what = Text(
        f"Remove {'all' if every else 'the older'} credentials of {department} {system}?",
        f"确定停用 {department} {system} 的{'全部' if every else '旧'}凭据吗?",
    )
    confirm(session, what, yes=yes)
    gone = retire(session.settings().located(), department, system, every=every)
    if session.json:
        facts(session, {"retired": gone})
    else:
        write(session.say(f"{len(gone)} retired: {', '.join(gone)}", f"已停用 {len(gone)} 个: {', '.join(gone)}"))
