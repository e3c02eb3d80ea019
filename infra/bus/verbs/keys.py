"""bus keys: which versions of the master key there are, their rotation, and what of them a subscriber is handed."""

from pathlib import Path
from typing import Annotated

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
            "List the versions of the master key; rotate it; back it up; hand a subscriber its key.",
            "列出主密钥各版本; 轮换; 备份; 向需求方交付密钥。",
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

    passphrase_file = typer.Option(
        "--passphrase-file",
        help=say(
            "File (0600) with the passphrase; else BUS_PASSPHRASE_FILE, else it is asked for.",
            "口令文件(0600); 否则取 BUS_PASSPHRASE_FILE, 再否则提示输入。",
        ),
    )

    @group.command(
        help=say(
            "Write the key ring, wrapped under a passphrase, into a file to be kept elsewhere.",
            "以口令加密密钥环并写入文件, 供异地保存。",
        )
    )
    def backup(
        to: Annotated[Path, typer.Option("--to", help=say("The file to write (0600).", "写入的文件(0600)。"))],
        passphrase: Annotated[Path | None, passphrase_file] = None,
    ) -> None:
        _backup(session, to, passphrase)

    @group.command(help=say("Put the key ring of a backup in its place.", "由备份恢复密钥环。"))
    def restore(
        file: Annotated[Path, typer.Argument(help=say("What 'backup' wrote.", "由 backup 写入的文件。"))],
        passphrase: Annotated[Path | None, passphrase_file] = None,
    ) -> None:
        _restore(session, file, passphrase)

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


def _backup(session: Session, to: Path, passphrase: Path | None) -> None:
    from infra.bus.passphrase import ask_passphrase
    from infra.control.key_backup import back_up

    settings = session.settings()
    done = back_up(settings, to, ask_passphrase(session, passphrase or settings.passphrase_file, new=True))
    if session.json:
        facts(session, done)
        return
    write(
        session.say(
            f"{done.file}: {len(done.versions)} versions, current {done.current} (fingerprint {done.fingerprint}).",
            f"{done.file}: 共 {len(done.versions)} 个版本, 现行第 {done.current} 版(指纹 {done.fingerprint})。",
        )
    )
    note(
        session,
        Text(
            "Keep it apart from the data, and the passphrase apart from it. After a rotation make another.",
            "请与数据分开保存, 口令另行保管; 轮换后须重新备份。",
        ),
    )


def _restore(session: Session, file: Path, passphrase: Path | None) -> None:
    from infra.bus.passphrase import ask_passphrase
    from infra.control.key_backup import restore

    settings = session.settings()
    done = restore(settings, file, ask_passphrase(session, passphrase or settings.passphrase_file, new=False))
    if session.json:
        facts(session, done)
        return
    where = f"{done.file}: "
    what = session.say("restored", "已恢复") if done.new else session.say("the same is there already", "已是同一密钥环")
    more = session.say(
        f", current version {done.current} (fingerprint {done.fingerprint}).",
        f", 现行第 {done.current} 版(指纹 {done.fingerprint})。",
    )
    write(where + what + more)
    if done.new:
        note(
            session,
            Text("'bus keys' compares it with the control log.", "可用 'bus keys' 与控制日志核对。"),
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
