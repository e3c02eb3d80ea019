"""bus certificates: until when a secured cluster's certificates hold, and new ones while it runs."""

from typing import TYPE_CHECKING

import typer

from infra.bus.output import facts, note, table, write
from infra.bus.session import Session
from schemas.text import Text

if TYPE_CHECKING:
    from infra.cluster import CertificateFacts


def add(app: typer.Typer, session: Session) -> None:
    """The verbs of this group."""
    say = session.say
    group = typer.Typer(invoke_without_command=True, rich_markup_mode="rich", add_completion=False)

    @group.callback(
        help=say(
            "The certificates of the secured cluster of this host: until when; new ones.",
            "本机安全集群的证书: 有效期; 更新。",
        )
    )
    def certificates(ctx: typer.Context) -> None:
        if ctx.invoked_subcommand is None:
            _show(session)

    @group.command(
        help=say(
            "New certificates. A running broker shows them at once, and nobody is cut off.",
            "更新证书。运行中的代理立即启用, 不中断任何连接。",
        )
    )
    def renew() -> None:
        _renew(session)

    app.add_typer(group, name="certificates", rich_help_panel=say("Cluster", "集群"))


def _show(session: Session) -> None:
    import datetime as dt

    from infra.cluster import show_certificates

    found = show_certificates(session.settings().home, dt.datetime.now(dt.UTC))
    if session.json:
        facts(session, found)
    else:
        _table(session, found)


def _table(session: Session, found: "tuple[CertificateFacts, ...]") -> None:
    say = session.say
    names = {"authority": "颁发机构", "broker": "代理", "administrator": "管理员"}
    rows = [[say(c.name, names[c.name]), f"{c.ends:%Y-%m-%d}", c.days, " ".join(c.hosts)] for c in found]
    table([say("of", "持有者"), say("until", "有效期至"), say("days", "剩余天数"), say("valid for", "适用主机")], rows)


def _renew(session: Session) -> None:
    import datetime as dt

    from infra.bus.progress import progress
    from infra.cluster import renew_certificates

    with progress(session) as told:
        done = renew_certificates(session.settings().home, dt.datetime.now(dt.UTC), told)
    if session.json:
        facts(session, done)
        return
    _table(session, done.certificates)
    shown = ", ".join(done.shown)
    write(
        session.say(f"shown by the running broker: {shown}.", f"运行中的代理已启用: {shown}。")
        if done.shown
        else session.say("used from the next start.", "下次启动时启用。")
    )
    if done.authority_too:
        note(
            session,
            Text(
                "The authority's certificate is new too: credentials handed out before trust it until the former one ends.",
                "颁发机构证书也已更新: 此前发放的凭据在旧证书到期前仍有效。",
            ),
        )
