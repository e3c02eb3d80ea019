"""bus principal: who can log in to a secured cluster."""

from pathlib import Path
from typing import Annotated

import typer

from infra.bus.output import confirm, facts, note, table, write
from infra.bus.session import Session
from schemas.errors import ConfigError
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

    @group.command(
        help=say(
            "How much a system may take, or everybody without a quota of its own. Without numbers: what all may.",
            "设置某系统(或默认)可占用的吞吐; 不带数值则列出全部配额。",
        )
    )
    def quota(
        department: str = typer.Argument("", help=say("The department.", "部门。"), show_default=False),
        system: str = typer.Argument("", help=say("Its system.", "系统。"), show_default=False),
        write: Annotated[
            float | None, typer.Option("--write", metavar="MB/s", help=say("It may write.", "写入。"))
        ] = None,
        read: Annotated[
            float | None, typer.Option("--read", metavar="MB/s", help=say("It may read.", "读取。"))
        ] = None,
        requests: Annotated[
            float | None,
            typer.Option(
                "--requests",
                metavar="%",
                help=say("Time of the broker's threads; it has six.", "占用代理线程时间的百分比(共六个线程)。"),
            ),
        ] = None,
        default: bool = typer.Option(False, "--default", help=say("For everybody without its own.", "设置默认配额。")),
    ) -> None:
        _quota(session, (department, system), (write, read, requests), default)

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
    from infra.bus.progress import progress
    from infra.control.principals import hand_over

    with progress(session) as told:
        made = hand_over(session.settings().located(), department, system, to, told)
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


def _quota(
    session: Session, system: tuple[str, str], numbers: tuple[float | None, float | None, float | None], default: bool
) -> None:
    from infra.bus.progress import progress
    from infra.control.principals import list_quotas, set_quota
    from infra.security.quotas import Quota

    say, quota = session.say, Quota(*numbers)
    whole = all(system) and not default
    if bool(quota) != (whole or (default and not any(system))) or (any(system) and not all(system)):
        raise ConfigError(
            Text(
                "name a system and numbers, --default and numbers, or nothing.",
                "请给出系统与数值, 或 --default 与数值, 或都不给。",
            ),
            hint=Text(
                "As in: bus principal quota shuiwu taxes --write 5", "例如: bus principal quota shuiwu taxes --write 5"
            ),
        )
    settings = session.settings().located()
    with progress(session) as told:
        found = set_quota(settings, system if whole else None, quota, told) if quota else list_quotas(settings, told)
    if session.json:
        facts(session, found)
        return
    rows = [
        [
            f.user or say("everybody", "默认"),
            "✓" if f.own else "",
            *(f"{n:g}" if n else "" for n in (f.write, f.read, f.requests)),
        ]
        for f in found
    ]
    table([say("user", "用户"), say("its own", "单独设置"), say("write MB/s", "写入 MB/s"), say("read MB/s", "读取 MB/s"), say("requests %", "请求 %")], rows)  # fmt: skip


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
    from infra.bus.progress import progress
    from infra.control.principals import retire

    what = Text(
        f"Remove {'all' if every else 'the older'} credentials of {department} {system}?",
        f"确定停用 {department} {system} 的{'全部' if every else '旧'}凭据吗?",
    )
    confirm(session, what, yes=yes)
    with progress(session) as told:
        gone = retire(session.settings().located(), department, system, every=every, told=told)
    if session.json:
        facts(session, {"retired": gone})
    else:
        write(session.say(f"{len(gone)} retired: {', '.join(gone)}", f"已停用 {len(gone)} 个: {', '.join(gone)}"))
