"""bus preview: what a subscriber would get, offline. What an approver looks at before approving."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from infra.bus.output import as_json, table, write
from infra.bus.session import Session
from schemas.errors import ConfigError
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
            "Show what a grant releases of sample events; needs no cluster.", "预览授权对样例事件的放行结果, 无需集群。"
        ),
    )
    def preview(
        contract: Annotated[Path, typer.Option("--contract", help=say("The contract (.avsc).", "数据契约(.avsc)。"))],
        grant: Annotated[Path, typer.Option("--grant", help=say("The grant (.yaml).", "授权(.yaml)。"))],
        events: Annotated[
            Path,
            typer.Option(
                "--events",
                help=say("One JSON event a line; - for standard input.", "每行一个 JSON 事件; - 表示标准输入。"),
            ),
        ],
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
    ) -> None:
        _preview(session, contract, grant, events, key_file)


def _preview(session: Session, contract: Path, grant: Path, events: Path, key_file: Path | None) -> None:
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
        answers = preview(about, granted[0], _lines(stream, str(events)), keys=keys, where=str(grant))
        if session.json:
            for answer in answers:
                sys.stdout.write(as_json(answer) + "\n")
            sys.stdout.flush()
            return
        rows = [row for answer in answers for row in _rows(answer)]
    say = session.say
    table(
        [
            "n",
            say("op", "操作"),
            say("key", "主键"),
            say("before", "变更前"),
            say("after", "变更后"),
            say("not released because", "未放行原因"),
        ],
        rows,
    )
    if not rows:
        write(session.say("no events.", "没有事件。"))


def _keys(key_file: Path | None, grant: "Grant") -> "ViewKeys":
    """Of a key ring those the exchange would use for a grant opened now, else the one secret given."""
    from infra.runtime.key_file import read_preview_keys
    from stream_apps.policy import PREVIEW_KEY, ViewKeys, derive_keys

    given = read_preview_keys(key_file) if key_file else PREVIEW_KEY
    if isinstance(given, bytes):
        return ViewKeys(given, grant.id)
    return derive_keys(given, grant.subscriber, grant.id, given.current)


def _rows(answer: dict[str, Any]) -> Iterator[list[Any]]:
    def shown(value: Any) -> str:
        return "" if value is None else json.dumps(value, ensure_ascii=False)

    for event in answer["emitted"]:
        yield [
            answer["n"],
            event["op"],
            shown(event["key"]),
            shown(event["before"]),
            shown(event["after"]),
            answer["reason"],
        ]
    if not answer["emitted"]:
        yield [answer["n"], "-", "", "", "", answer["reason"]]


def _opened(path: Path) -> TextIO:
    try:
        if str(path) == "-":
            return open(sys.stdin.fileno(), encoding="utf-8-sig", closefd=False)
        return path.open(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(
            Text(f"cannot be read: {error.strerror}.", f"无法读取: {error.strerror}。"), where=str(path)
        ) from error


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
        raise ConfigError(
            Text(f"cannot be read: {error.strerror}.", f"无法读取: {error.strerror}。"), where=where
        ) from error
