"""One command line through typer: its exit code, and its complaints as errors of ours."""

from __future__ import annotations

from typing import Any

import typer

from infra.bus import failures
from infra.bus.session import Session
from schemas.errors import ConfigError
from schemas.text import Text

_CLICK_ERROR: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
"""Typer carries a click of its own in some versions; this is the base of its errors in all of them."""


def invoke(session: Session, rest: list[str]) -> int:
    """Run a verb. ConfigError if the command line is wrong; whatever the verb raises."""
    from infra.bus.verbs import build

    command = typer.main.get_command(build(session))
    try:
        code = command.main(args=rest, prog_name="bus", standalone_mode=False)
    except typer.Exit as done:
        return int(done.exit_code)
    except typer.Abort:
        return failures.interrupted(session)
    except _CLICK_ERROR as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            return ConfigError.exit_code  # the help text has been shown
        raise _usage(error) from error
    if code == failures.INTERRUPTED:  # typer makes this of Ctrl-C in some versions, and says nothing
        return failures.interrupted(session)
    return code if isinstance(code, int) else 0


def _usage(error: Any) -> ConfigError:
    """Click's complaint about the command line, in both languages."""
    said = error.format_message()
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "bus"
    kind = type(error).__name__
    name = getattr(error, "option_name", None) or _parameter(error)
    chinese = {
        "NoSuchOption": f"没有选项 {name}。",
        "MissingParameter": f"缺少参数 {name}。",
        "BadParameter": f"参数 {name} 的值有误。",
        "BadOptionUsage": f"选项 {name} 用法有误。",
    }.get(kind, "命令行写法有误。" if "command" not in said else "没有这个命令。")
    return ConfigError(
        Text(said if said.endswith((".", "?")) else said + ".", chinese),
        where=path,
        hint=Text(f"See '{path} --help'.", f"参见 '{path} --help'。"),
    )


def _parameter(error: Any) -> str:
    parameter = getattr(error, "param", None)
    if parameter is None:
        return str(getattr(error, "param_hint", None) or "")
    return " / ".join(parameter.opts) if parameter.opts[0].startswith("-") else str(parameter.name or "").upper()
