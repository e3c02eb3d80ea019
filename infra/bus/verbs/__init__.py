"""The verbs of `bus`, one file per group. Each file has `add(app, session)` and imports what its verbs need only when they run."""

from __future__ import annotations

import typer

from infra.bus.session import Session
from infra.bus.verbs import (
    acls,
    application,
    bench,
    catalogue,
    certificates,
    cluster,
    control,
    controller,
    dead_letters,
    deadlines,
    deliver,
    demo,
    directory,
    ends,
    exchange,
    explain,
    identity,
    keys,
    masks,
    preview,
    principal,
    publish,
    replay,
    sign,
    standing,
)

GROUPS = (
    demo,
    cluster,
    principal,
    certificates,
    acls,
    catalogue,
    directory,
    application,
    identity,
    standing,
    control,
    ends,
    deadlines,
    controller,
    sign,
    keys,
    preview,
    publish,
    exchange,
    deliver,
    replay,
    dead_letters,
    explain,
    masks,
    bench,
)
"""A new group of verbs is a file here and an entry in this line."""


def build(session: Session) -> typer.Typer:
    """The command in the session's language."""
    app = typer.Typer(
        name="bus",
        help=session.say(
            "The data exchange bus of a city. --lang en|zh and --json may stand anywhere on the line.",
            "城市数据交换总线。--lang en|zh 与 --json 可写在命令行任意位置。",
        ),
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    _globals(app, session)
    for group in GROUPS:
        group.add(app, session)
    if session.language == "zh":
        _chinese_headings()
    return app


def _globals(app: typer.Typer, session: Session) -> None:
    """For the help text only: `read_globals` has taken both before typer sees the line."""
    language = typer.Option(None, "--lang", metavar="en|zh", help=session.say("Language.", "语言。"))
    as_json = typer.Option(False, "--json", help=session.say("Facts and errors as JSON.", "以 JSON 输出事实与错误。"))

    @app.callback()
    def everywhere(lang: str = language, json: bool = as_json) -> None:
        del lang, json


def _chinese_headings() -> None:
    from typer import rich_utils

    rich_utils.OPTIONS_PANEL_TITLE = "选项"
    rich_utils.ARGUMENTS_PANEL_TITLE = "参数"
    rich_utils.COMMANDS_PANEL_TITLE = "命令"
    rich_utils.DEFAULT_STRING = "[默认: {}]"
    rich_utils.REQUIRED_LONG_STRING = "[必填]"
