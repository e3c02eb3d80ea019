"""The keys of a custodian that is a command: the client of a key store or of a hardware module, run once per reading."""

from __future__ import annotations

import os
import re
import selectors
import shlex
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field

from schemas.errors import BusError, ConfigError, TransientError
from schemas.text import Text

ORIGIN = "BUS_KEY_COMMAND"
LIMIT_S = 10.0
MAX_BYTES = 1 << 16
"""Of either stream."""
_SHOWN = 500
"""Characters of what the command complained of."""
_MAYBE_KEY = re.compile(r"[0-9A-Fa-f]{32,}")


@dataclass(frozen=True, slots=True)
class Printed:
    """What a command wrote to its standard output, and what it had to say to the person (standard error)."""

    text: str = field(repr=False)
    said: str = ""


def run_key_command(command: str, *, limit_s: float = LIMIT_S) -> Printed:
    """Run a command line (split as a shell would, without one) and take what it prints; it has nobody to ask.

    Raises ConfigError if it cannot be run or prints too much or no text, TransientError if it fails or does not end within
    `limit_s` seconds: a key store may be out of reach. Whatever it started is gone then.
    """
    words = _words(command)
    try:
        child = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise ConfigError(
            Text(f"'{words[0]}' cannot be run: {error.strerror}.", f"'{words[0]}' 无法运行: {error.strerror}。"),
            where=ORIGIN,
        ) from error
    deadline = time.monotonic() + limit_s
    try:
        out, said = _read(child, deadline)
        code = child.wait(max(deadline - time.monotonic(), 0.1))
    except subprocess.TimeoutExpired:
        raise _late(limit_s) from None
    finally:
        _end(child)
    words_of_it = _shown(said)
    if code != 0:
        raise _failed(code, words_of_it)
    try:
        return Printed(out.decode("utf-8"), words_of_it)
    except UnicodeDecodeError:
        raise ConfigError(Text("it printed no text.", "其输出不是文本。"), where=ORIGIN) from None


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(
            Text(f"cannot be split into words: {error}.", f"命令行无法拆分: {error}。"), where=ORIGIN
        ) from None
    if not words:
        raise ConfigError(Text("names no command.", "未指明命令。"), where=ORIGIN)
    return words


def _read(child: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bytes]:
    """Both streams to their ends. TimeoutExpired, or ConfigError for too much."""
    assert child.stdout is not None and child.stderr is not None
    found = {"out": bytearray(), "said": bytearray()}
    with selectors.DefaultSelector() as ready:
        ready.register(child.stdout, selectors.EVENT_READ, "out")
        ready.register(child.stderr, selectors.EVENT_READ, "said")
        while ready.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(child.args, left)
            for key, _ in ready.select(left):
                piece = os.read(key.fd, 8192)
                taken = found[key.data]
                taken += piece
                if not piece:
                    ready.unregister(key.fileobj)
                if len(taken) > MAX_BYTES:
                    raise ConfigError(
                        Text(f"it prints more than {MAX_BYTES} bytes.", f"其输出超过 {MAX_BYTES} 字节。"), where=ORIGIN
                    )
    return bytes(found["out"]), bytes(found["said"])


def _end(child: subprocess.Popen[bytes]) -> None:
    """It and what it started; only what still runs is touched."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for stream in (child.stdout, child.stderr):
        if stream is not None:
            stream.close()


def _shown(said: bytes) -> str:
    """Its last words on one line, without anything that looks like a key."""
    text = " ".join(said.decode("utf-8", "replace").split())
    return _MAYBE_KEY.sub("…", text)[-_SHOWN:]


def _failed(code: int, said: str) -> BusError:
    how = signal.Signals(-code).name if code < 0 else f"{code}"
    heard = Text(f"It says: {said}", f"其输出: {said}") if said else None
    return TransientError(Text(f"the key command failed ({how}).", f"密钥命令失败({how})。"), where=ORIGIN, hint=heard)


def _late(limit_s: float) -> BusError:
    return TransientError(
        Text(f"the key command did not end within {limit_s:g} s.", f"密钥命令在 {limit_s:g} 秒内未结束。"),
        where=ORIGIN,
        hint=Text("It has nobody to ask: it must not wait for an answer.", "该命令无人应答, 不可等待输入。"),
    )
