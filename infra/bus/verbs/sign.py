"""bus sign: a provider answers for a contract that protects less than the one in force."""

from pathlib import Path
from typing import Annotated

import typer

from infra.bus.output import confirm, facts, note, write
from infra.bus.session import Session
from schemas.text import Text


def add(app: typer.Typer, session: Session) -> None:
    """The verb of this group."""
    say = session.say

    @app.command(
        rich_help_panel=say("Sharing", "共享"),
        help=say(
            "Sign a contract that protects less than the one in force; a key pair is made with "
            "'openssl genpkey -algorithm ed25519'.",
            "对保护弱于现行版本的契约签名; 密钥对用 'openssl genpkey -algorithm ed25519' 生成。",
        ),
    )
    def sign(
        contract: Annotated[Path, typer.Argument(help=say("The new contract (.avsc).", "新契约(.avsc)。"))],
        key: Annotated[
            Path, typer.Option("--key", help=say("The provider's private key (PEM).", "提供部门的私钥(PEM)。"))
        ],
        replaces: Annotated[
            Path | None,
            typer.Option(
                "--replaces",
                help=say("Without a cluster: the contract in force.", "无集群时: 现行契约。"),
                show_default=False,
            ),
        ] = None,
        since: Annotated[
            int | None,
            typer.Option(
                "--since",
                min=0,
                help=say("And its epoch, as 'bus apply' says it.", "及其生效位点, 由 'bus apply' 给出。"),
                show_default=False,
            ),
        ] = None,
        yes: bool = typer.Option(False, "--yes", "-y", help=say("Do not ask.", "不再询问。")),
    ) -> None:
        _sign(session, contract, key, replaces, since, yes)


def _sign(session: Session, contract: Path, key: Path, replaces: Path | None, since: int | None, yes: bool) -> None:
    from infra.control.signing import change_between, change_in, sign_change
    from schemas.errors import ConfigError

    if (replaces is None) != (since is None):
        raise ConfigError(
            Text("--replaces and --since belong together.", "--replaces 与 --since 须同时给出。"), where="bus sign"
        )
    if replaces is None or since is None:
        change = change_in(session.settings(), contract)
    else:
        change = change_between(contract, replaces, since)
    if not change.weakened:
        note(
            session,
            Text(
                "It protects nothing less than the contract in force: no signature is needed, none was made.",
                "其保护不弱于现行契约: 无需签名, 未生成签名。",
            ),
        )
        return
    for line in change.weakened:
        note(session, line)
    question = Text(
        f"Sign that {change.contract.id} is protected less in these {len(change.weakened)} places?",
        f"确定对 {change.contract.id} 的以上 {len(change.weakened)} 处放宽签名吗?",
    )
    confirm(session, question, yes=yes)
    signed = sign_change(change, key)
    if session.json:
        facts(session, signed)
        return
    write(
        session.say(
            f"{signed.signature}: signed with the key {signed.key}; keep it beside the contract and run bus apply.",
            f"{signed.signature}: 已用密钥 {signed.key} 签名; 请与契约放在一起并执行 bus apply。",
        )
    )
