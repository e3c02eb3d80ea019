"""Asking for a passphrase: a file, or a person at a terminal, who sees nothing of what is typed."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from infra.bus.session import Session
from infra.runtime.passphrase import read_passphrase
from schemas.errors import ConfigError
from schemas.text import Text


def ask_passphrase(session: Session, file: Path | None, *, new: bool) -> str:
    """From `file` or typed; a new one twice. ConfigError if nobody is there to type it, or typed it differently."""
    if file is not None:
        return read_passphrase(file)
    if not sys.stdin.isatty():
        raise ConfigError(
            Text("nobody is here to type the passphrase.", "无人可输入口令。"),
            hint=Text(
                "Name a file (0600) that holds it: --passphrase-file, or BUS_PASSPHRASE_FILE.",
                "请指明存有口令的文件(0600): --passphrase-file 或 BUS_PASSPHRASE_FILE。",
            ),
        )
    typed = getpass.getpass(session.say("Passphrase: ", "口令: "), stream=sys.stderr)
    if new and typed != getpass.getpass(session.say("Once more: ", "再次输入: "), stream=sys.stderr):
        raise ConfigError(
            Text("the two differ; nothing was done.", "两次输入不一致, 未执行任何操作。"),
            hint=Text("Try again.", "请重试。"),
        )
    return typed
