"""bus identity: who acts, and how somebody comes to be known."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from infra.bus.output import facts, note, table, write
from infra.bus.session import Session
from schemas.text import Text


def add(app: typer.Typer, session: Session) -> None:
    """The verbs of this group."""
    say = session.say
    group = typer.Typer(invoke_without_command=True, rich_markup_mode="rich", add_completion=False)

    @group.callback(
        help=say(
            "Show who you are (BUS_IDENTITY), as the list of signers knows you.",
            "显示本人身份(BUS_IDENTITY), 以签名人名单为准。",
        )
    )
    def identity(ctx: typer.Context) -> None:
        if ctx.invoked_subcommand is None:
            _who(session)

    @group.command(
        help=say(
            "Make a private key (0600) for a person, and the entry that makes them known.",
            "为人员生成私钥(0600)及登记条目。",
        )
    )
    def new(
        department: Annotated[str, typer.Option("--department", help=say("Their department.", "所属部门编号。"))],
        person: Annotated[str, typer.Option("--person", help=say("Their id.", "人员编号。"))],
        role: Annotated[
            list[str],
            typer.Option(
                "--role",
                help=say(
                    "head, data_office, clerk or bureau; more than once if need be.",
                    "head、data_office、clerk 或 bureau; 可多次给出。",
                ),
            ),
        ],
        key: Annotated[
            Path | None,
            typer.Option("--key", help=say("File of the private key.", "私钥文件。"), show_default=False),
        ] = None,
        until: Annotated[
            str | None,
            typer.Option(
                "--until",
                metavar="DATE",
                help=say("The last day on which it signs.", "签名有效期至。"),
                show_default=False,
            ),
        ] = None,
        deposit: bool = typer.Option(
            False,
            "--deposit",
            help=say("Write the entry into the BUS_SIGNERS folder.", "将条目写入 BUS_SIGNERS 目录。"),
        ),
    ) -> None:
        _new(session, (department, person), role, (key, _day(until)), deposit)

    app.add_typer(group, name="identity", rich_help_panel=say("Sharing", "共享"))


def _who(session: Session) -> None:
    from infra.control.identity import who_am_i

    found = who_am_i(session.settings())
    if session.json:
        facts(session, found)
        return
    say = session.say
    table(
        [
            say("person", "人员"),
            say("department", "部门"),
            say("roles", "角色"),
            say("key", "密钥"),
            say("until", "有效期至"),
            say("file", "文件"),
        ],
        [[found.person, found.department, ", ".join(found.roles), found.key, found.until, found.file]],
    )


def _day(said: str | None) -> dt.date | None:
    from schemas.errors import ConfigError

    try:
        return None if said is None else dt.date.fromisoformat(said)
    except ValueError:
        raise ConfigError(Text("a day is written YYYY-MM-DD.", "日期须写作 YYYY-MM-DD。"), where="--until") from None


def _new(
    session: Session, who: tuple[str, str], roles: list[str], kept: tuple[Path | None, dt.date | None], deposit: bool
) -> None:
    from infra.control.identity import new_identity

    (department, person), (key, until) = who, kept
    made = new_identity(session.settings(), department, person, roles, key=key, deposit=deposit, until=until)
    if session.json:
        facts(session, made)
        return
    note(
        session,
        Text(
            f"The private key is in {made.file}; set BUS_IDENTITY to it. It is its person's alone.",
            f"私钥已存入 {made.file}; 请将 BUS_IDENTITY 设为该文件。私钥只归本人使用。",
        ),
    )
    if made.deposited is not None:
        note(session, Text(f"The entry was written to {made.deposited}.", f"条目已写入 {made.deposited}。"))
        return
    note(
        session,
        Text(
            f"To be deposited as {department}.yaml on every host that verifies:",
            f"请以 {department}.yaml 登记在每台核验主机上:",
        ),
    )
    write((made.entry or "").rstrip())
