"""bus preview: what a subscriber would get, offline. What an approver looks at before approving."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from infra.bus.output import as_json
from infra.bus.session import Session
from schemas.errors import ConfigError
from schemas.reading_words import of_system
from schemas.text import Text

if TYPE_CHECKING:
    from schemas.grant import Grant
    from stream_apps.policy import ViewKeys

MAX_LINE = 8 << 20
"""Characters of one sample event; a longer line is no sample."""


def add(app: typer.Typer, session: Session) -> None:
    """The verb of this group."""
    say = session.say

    @app.command(
        rich_help_panel=say("Sharing", "共享"),
        help=say(
            "Show what a grant releases of sample events, before and after; needs no cluster. Samples should be generated "
            "rows, not people's: both sides are shown. With --application, what a grant of it would release of rows that "
            "are generated here.",
            "预览授权对样例事件的放行结果(逐字段对照), 无需集群。样例宜用生成的数据, 勿用真实个人数据: 原值也会显示。"
            "用 --application 时, 以此处生成的数据预览该申请的授权。",
        ),
    )
    def preview(
        contract: Annotated[
            Path | None,
            typer.Option("--contract", help=say("The contract (.avsc).", "数据契约(.avsc)。"), show_default=False),
        ] = None,
        grant: Annotated[
            str | None,
            typer.Option(
                "--grant",
                help=say(
                    "The grant (.yaml); of an application the grant's id or number.",
                    "授权(.yaml); 预览申请时为授权编号或序号。",
                ),
                show_default=False,
            ),
        ] = None,
        events: Annotated[
            Path | None,
            typer.Option(
                "--events",
                help=say("One JSON event a line; - for standard input.", "每行一个 JSON 事件; - 表示标准输入。"),
                show_default=False,
            ),
        ] = None,
        application: Annotated[
            str | None,
            typer.Option(
                "--application",
                help=say("An application that was submitted.", "已提交的申请编号。"),
                show_default=False,
            ),
        ] = None,
        key_file: Annotated[
            Path | None,
            typer.Option(
                "--key-file",
                help=say(
                    "A key ring, or the subscriber's secret: 32 bytes, hexadecimal.",
                    "密钥环, 或需求方密钥: 32 字节, 十六进制。",
                ),
            ),
        ] = None,
        limit: Annotated[
            int,
            typer.Option(
                "--limit",
                min=0,
                help=say(
                    "Events shown; all are counted, and --json gives all.",
                    "显示的事件数; 统计含全部, --json 输出全部。",
                ),
            ),
        ] = 20,
    ) -> None:
        if application is not None:
            _of_application(session, application, grant, (contract, events), key_file, limit)
        elif contract is None or grant is None or events is None:
            raise _missing({"--contract": contract, "--grant": grant, "--events": events})
        else:
            _preview(session, contract, Path(grant), events, key_file, limit)


def _missing(given: dict[str, Path | str | None]) -> ConfigError:
    first = next(name for name, value in given.items() if value is None)
    return ConfigError(
        Text(f"Missing option '{first}'.", f"缺少参数 {first}。"),
        where="bus preview",
        hint=Text("For an application: --application ID.", "预览申请请用: --application 编号。"),
    )


_GENERATED = 6
"""Rows that are generated for each grant of an application."""


def _of_application(
    session: Session,
    application: str,
    grant: str | None,
    files: tuple[Path | None, Path | None],
    key_file: Path | None,
    limit: int,
) -> None:
    from infra.bus.output import note
    from infra.bus.preview_shown import Remembered, show
    from infra.bus.sample_rows import sample_events
    from infra.control.applications.previewing import requested
    from stream_apps.policy import preview

    if any(file is not None for file in files):
        raise ConfigError(
            Text(
                "an application is shown on generated rows, under the contract in force.",
                "申请的预览使用生成的数据与生效中的契约。",
            ),
            where="--contract, --events",
        )
    contract, granted = requested(session.settings().located(), application, grant)
    keys, where = _keys(key_file, granted), granted.id
    kept = Remembered(sample_events(contract, granted, _GENERATED))
    answers = preview(contract, granted, kept, keys=keys, where=where)
    if session.json:
        for answer in answers:
            sys.stdout.write(as_json(answer) + "\n")
        sys.stdout.flush()
        return
    note(
        session,
        Text(
            f"{granted.id}: {granted.subscriber} on {granted.resource}; the rows are generated, nobody's.",
            f"{granted.id}: {granted.subscriber} 申请 {granted.resource}; 以下数据均为生成, 非真实数据。",
        ),
    )
    show(session, contract, granted, kept, answers, limit)


def _preview(session: Session, contract: Path, grant: Path, events: Path, key_file: Path | None, limit: int) -> None:
    from infra.bus.preview_shown import Remembered, show
    from schemas.contract import load_contract
    from schemas.grant import load_grants
    from stream_apps.policy import preview

    about, granted = load_contract(contract), load_grants(grant)
    if len(granted) != 1:
        raise ConfigError(
            Text(f"holds {len(granted)} grants; preview shows one.", f"含 {len(granted)} 项授权; 预览一次只看一项。"),
            where=str(grant),
        )
    keys = _keys(key_file, granted[0])
    with _opened(events) as stream:
        lines = _lines(stream, str(events))
        if not session.json:
            kept = Remembered(lines)
            answers = preview(about, granted[0], kept, keys=keys, where=str(grant))
            show(session, about, granted[0], kept, answers, limit)
            return
        for answer in preview(about, granted[0], lines, keys=keys, where=str(grant)):
            sys.stdout.write(as_json(answer) + "\n")
        sys.stdout.flush()


def _keys(key_file: Path | None, grant: "Grant") -> "ViewKeys":
    """Of a key ring those the exchange would use for a grant opened now, else the one secret given."""
    from infra.runtime.key_file import read_preview_keys
    from stream_apps.policy import PREVIEW_KEY, ViewKeys, derive_keys

    given = read_preview_keys(key_file) if key_file else PREVIEW_KEY
    if isinstance(given, bytes):
        return ViewKeys(given, grant.id)
    return derive_keys(given, grant.subscriber, grant.id, given.current)


def _opened(path: Path) -> TextIO:
    try:
        if str(path) == "-":
            return open(sys.stdin.fileno(), encoding="utf-8-sig", closefd=False)
        return path.open(encoding="utf-8-sig")
    except OSError as error:
        why = of_system(error)
        raise ConfigError(Text(f"cannot be read: {why.en}.", f"无法读取: {why.zh}。"), where=str(path)) from error


def _lines(stream: TextIO, where: str) -> Iterator[str]:
    number = 0
    try:
        while line := stream.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise ConfigError(
                    Text(f"longer than {MAX_LINE} characters.", f"超过 {MAX_LINE} 个字符。"), where=f"{where}:{number}"
                )
            yield line
    except UnicodeDecodeError as error:
        raise ConfigError(
            Text("not UTF-8 text.", "不是 UTF-8 文本。"),
            where=where,
            hint=Text("Save the file as UTF-8.", "请以 UTF-8 保存。"),
        ) from error
    except OSError as error:
        why = of_system(error)
        raise ConfigError(Text(f"cannot be read: {why.en}.", f"无法读取: {why.zh}。"), where=where) from error
