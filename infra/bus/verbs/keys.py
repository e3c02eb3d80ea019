"""bus keys: which versions of the master key there are, their rotation, and what of them a subscriber is handed."""

import typer

from infra.bus.output import confirm, facts, note, table, warn, write
from infra.bus.session import Session
from schemas.errors import ConfigError
from schemas.text import Text

_LONGEST_DAYS = 3650


def add(app: typer.Typer, session: Session) -> None:
    """The verbs of this group."""
    say = session.say
    yes_help = say("Do not ask.", "不再询问。")
    group = typer.Typer(invoke_without_command=True, rich_markup_mode="rich", add_completion=False)

    @group.callback(
        help=say(
            "List the versions of the master key; rotate it; hand a subscriber its key.",
            "列出主密钥各版本; 轮换; 向需求方交付密钥。",
        )
    )
    def keys(ctx: typer.Context) -> None:
        if ctx.invoked_subcommand is None:
            _list(session)

    @group.command(
        help=say(
            "Make a new version current; tokens of the one before can be joined for some days more.",
            "启用新版本; 旧版标识在窗口期内仍可关联。",
        )
    )
    def rotate(
        window: int = typer.Option(
            ...,
            "--window",
            min=0,
            max=_LONGEST_DAYS,
            help=say("Days the former version serves on, after today.", "旧版本在今日之后继续可用的天数。"),
        ),
        suite: str = typer.Option(
            "", "--suite", metavar="sha256|sm3", help=say("By default as before.", "默认与旧版本相同。")
        ),
        yes: bool = typer.Option(False, "--yes", "-y", help=yes_help),
    ) -> None:
        _rotate(session, window, suite, yes)

    @group.command(
        help=say(
            "Print the key a grant's subscriber opens sealed values with.", "输出授权的需求方用于解密密封值的密钥。"
        )
    )
    def share(
        grant: str = typer.Option(..., "--grant", help=say("Its id.", "授权编号。")),
        yes: bool = typer.Option(False, "--yes", "-y", help=yes_help),
    ) -> None:
        _share(session, grant, yes)

    app.add_typer(group, name="keys", rich_help_panel=say("Sharing", "共享"))


def _list(session: Session) -> None:
    from infra.control import list_keys

    found = list_keys(session.settings().located())
    if session.json:
        facts(session, found)
        return
    say = session.say

    def yes(truth: bool) -> str:
        return say("yes", "是") if truth else say("no", "否")

    rows = [
        [k.version, k.suite, k.fingerprint, yes(k.current), k.until or "", yes(k.announced), len(k.grants)]
        for k in found
    ]
    headings = [say("version", "版本"), say("suite", "算法"), say("fingerprint", "指纹"), say("current", "现行")]
    table([*headings, say("until", "截止日"), say("announced", "已公告"), say("active grants", "生效授权数")], rows)
    current = next((k.version for k in found if k.current), None)
    for k in found:
        if k.over and k.grants:
            warn(
                session,
                Text(
                    f"version {k.version} serves no longer; nothing is released under: {', '.join(k.grants)}. "
                    "Apply them again.",
                    f"第 {k.version} 版已停用, 下列授权不再放行: {', '.join(k.grants)}。请重新应用。",
                ),
            )
        elif k.until and k.grants and k.version != current:
            note(
                session,
                Text(
                    f"to be applied again before the end of {k.until}: {', '.join(k.grants)}.",
                    f"须在 {k.until} 日终前重新应用: {', '.join(k.grants)}。",
                ),
            )


def _rotate(session: Session, window: int, suite: str, yes: bool) -> None:
    from infra.control import rotate

    if suite not in ("", "sha256", "sm3"):
        raise ConfigError(Text("the suites are sha256 and sm3.", "可用算法为 sha256 与 sm3。"), where="--suite")
    settings = session.settings().located()
    confirm(
        session,
        Text(
            f"Make a new master key current? Grants under the former one end after {window} days unless applied again.",
            f"确定启用新的主密钥吗? 旧密钥下的授权若不重新应用, 将在 {window} 天后停止放行。",
        ),
        yes=yes,
    )
    done = rotate(settings, suite=suite or None, days=window, by=session.person)  # type: ignore[arg-type]  # checked above
    if session.json:
        facts(session, done)
    else:
        write(
            session.say(
                f"version {done.version} ({done.suite}, fingerprint {done.fingerprint}) is current; "
                f"version {done.former} serves until {done.until}.",
                f"第 {done.version} 版({done.suite}, 指纹 {done.fingerprint})已启用; "
                f"第 {done.former} 版可用至 {done.until}。",
            )
        )
        for grant in done.again:
            write(session.say(f"to be applied again: {grant}", f"须重新应用: {grant}"))
    warn(
        session,
        Text(
            "Keep a copy of the key ring, and bring it to every host that applies or exchanges.",
            "请备份密钥环, 并复制到每台执行应用或交换的主机。",
        ),
    )
    if settings.key_fingerprint:
        warn(
            session,
            Text(
                f"Set BUS_KEY_FINGERPRINT to {done.fingerprint}; with the former one nothing starts.",
                f"请将 BUS_KEY_FINGERPRINT 改为 {done.fingerprint}; 否则将无法启动。",
            ),
        )


def _share(session: Session, grant: str, yes: bool) -> None:
    from infra.control import share

    settings = session.settings().located()
    confirm(
        session,
        Text(
            f"Print the key that opens what {grant} seals? Whoever sees it can read these values.",
            f"确定显示授权 {grant} 的解密密钥吗? 看到者即可读取其密封的值。",
        ),
        yes=yes,
    )
    key = share(settings, grant)
    if session.json:
        facts(session, key)
    else:
        write(key.key)
