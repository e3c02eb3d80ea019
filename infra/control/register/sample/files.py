"""The sample as files people could have written: one for the directory's parts, and some for each department's entries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import yaml

from infra.control.register.sample.city import departments, entries, systems, units
from schemas.errors import ConfigError
from schemas.register_log import Document
from schemas.text import Text

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""Ten times as fast where PyYAML has its C library."""
A_FILE = 250
"""Entries in one file: some 180 KB, which a person can still look through and a review tool shows."""


def write_sample(folder: Path) -> list[Path]:
    """Write the city's register below `folder`; the files. ConfigError if there is something already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            Text("there is something here already.", "此处已有内容。"),
            where=str(folder),
            hint=Text("Name a new folder.", "请指定新目录。"),
        )
    parts: dict[str, Sequence[Document]] = {"directory/departments": departments(), "directory/units": units()}
    parts |= {f"directory/systems-{n:02}": chunk for n, chunk in enumerate(_chunks(systems(), A_FILE * 2), 1)}
    owned: dict[str, list[Document]] = defaultdict(list)
    for entry in entries():
        owned[entry.provider].append(entry)
    for owner, own in owned.items():
        parts |= {f"catalogue/{owner}-{n:02}": chunk for n, chunk in enumerate(_chunks(own, A_FILE), 1)}
    return [_write(folder / f"{name}.yaml", documents) for name, documents in parts.items()]


def _write(path: Path, documents: Sequence[Document]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = [{"kind": d.kind} | d.model_dump(mode="json", by_alias=True, exclude_defaults=True) for d in documents]
    text = yaml.dump_all(written, allow_unicode=True, sort_keys=False, explicit_start=True, width=200, Dumper=_DUMPER)
    path.write_text(text, encoding="utf-8")
    return path


def _chunks(items: Sequence[Document], size: int) -> list[Sequence[Document]]:
    return [items[n : n + size] for n in range(0, len(items), size)]
