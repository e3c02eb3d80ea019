"""Which resources a catalogue class means, for applications that ask for a whole domain."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.errors import ConfigError
from schemas.text import Text


def without_catalogue(domain: str) -> Sequence[str]:
    """The answer of a process that has no catalogue: ConfigError, rather than a list nobody can check."""
    raise ConfigError(
        Text(
            f"there is no catalogue here that says what '{domain}' is.", f"此处没有目录, 无法确定 '{domain}' 的范围。"
        ),
        where="items.domain",
        hint=Text("Name resources, or patterns of them.", "请写明资源或匹配模式。"),
    )
