"""A CSV file as rows of text: encoding found out, lengths bounded, everything wrong with the file said once and clearly."""

from __future__ import annotations

import codecs
import csv
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from schemas.errors import ConfigError, TransientError
from schemas.text import Text

MAX_LINE = 8 << 20
"""Characters of one line; a CSV line beyond this is none."""
MAX_CELL = 1 << 20
"""Characters of one cell. What is longer is nearly always an unclosed quote."""
MAX_CHUNK = 16 << 20
"""Characters of the rows that are in memory together."""
_CHUNK = 1 << 20
_MAGIC = {b"PK\x03\x04": "Excel (xlsx) or ZIP", b"\xd0\xcf\x11\xe0": "Excel (xls)", b"%PDF": "PDF", b"\x1f\x8b": "gzip"}


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells that a file is still the one it was."""

    size: int
    modified_ns: int
    inode: int


def identity(path: Path) -> Identity:
    """The file's identity now. ConfigError if it cannot be read."""
    try:
        found = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not path.is_file():
        raise _wrong(path, "is not a file.", "不是文件。")
    return Identity(found.st_size, found.st_mtime_ns, found.st_ino)


def check_unchanged(path: Path, before: Identity) -> None:
    """TransientError if the file is not the one it was when reading began."""
    if identity(path) != before:
        raise TransientError(
            Text("the file changed while it was read.", "文件在读取过程中发生变化。"),
            where=str(path),
            hint=Text(
                "Let its writer finish (write elsewhere, then rename), and run again.",
                "请等待写入完成(先写到别处再改名), 然后重新运行。",
            ),
        )


def find_encoding(path: Path, declared: str) -> str:
    """`utf-8-sig` or `gb18030`: what the whole file can be read as. ConfigError if it is empty, binary or neither."""
    try:
        with path.open("rb") as file:
            head = file.read(1 << 16)
    except OSError as error:
        raise _unreadable(path, error) from error
    _check_text(path, head)
    tried = {"auto": ("utf-8-sig", "gb18030"), "utf-8": ("utf-8-sig",), "gb18030": ("gb18030",)}[declared]
    if declared == "gb18030" and head.startswith(codecs.BOM_UTF8):
        raise _lies(path, declared, 0)
    place = 0
    for encoding in tried:
        found = _first_undecodable(path, encoding)
        if found is None:
            return encoding
        place = found
    if declared != "auto":
        raise _lies(path, declared, place)
    raise _wrong(
        path,
        "neither UTF-8 nor GB18030 text.",
        "既不是 UTF-8 也不是 GB18030 文本。",
        Text("Save it as CSV in UTF-8.", "请另存为 UTF-8 编码的 CSV。"),
    )


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows that stand together in a file, each with its number."""

    numbers: list[int]
    rows: list[list[str]]


def read_chunks(path: Path, encoding: str, delimiter: str, size: int) -> Iterator[Chunk]:
    """The header (row 1) as a chunk of its own, then the rows in chunks bounded by `size` rows and MAX_CHUNK characters,
    blank ones left out. Memory stays flat.

    ConfigError, with the row, for a line or cell beyond the limits, an unclosed quote, or text after a closing quote.
    """
    csv.field_size_limit(MAX_CELL)
    number = 0
    try:
        with path.open(encoding=encoding, newline="") as file:
            lines = _Lines(path, file)
            reader = csv.reader(lines.read(), delimiter=delimiter, strict=True)
            try:
                chunk = Chunk([], [])
                for row in reader:
                    number += 1
                    if row:
                        chunk.numbers.append(number)
                        chunk.rows.append(row)
                        if number == 1 or len(chunk.rows) >= size or lines.chars > MAX_CHUNK:
                            yield chunk
                            chunk, lines.chars = Chunk([], []), 0
                if chunk.rows:
                    yield chunk
            except csv.Error as error:
                raise _malformed(path, number + 1, reader.line_num, error) from error
    except UnicodeDecodeError as error:
        raise _lies(path, encoding, error.start) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def place_columns(path: Path, header: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where each wanted column stands. ConfigError naming the missing ones and what is nearest, or a doubled one."""
    names = [name.strip().lstrip("\ufeff") for name in header]
    missing = sorted(set(wanted) - set(names), key=list(wanted).index)
    if len(missing) == len(set(wanted)):
        raise _no_header(path, wanted)
    if missing:
        near = {m: difflib.get_close_matches(m, names, 1, 0.4) for m in missing}
        guess = ", ".join(f"'{m}' → '{n[0]}'" for m, n in near.items() if n)
        listed = ", ".join(f"'{m}'" for m in missing)
        shown = ", ".join(f"'{n[:40]}'" for n in names[:30])
        raise ConfigError(
            Text(f"the header lacks {listed}; it has {shown}.", f"表头缺少 {listed}; 现有 {shown}。"),
            where=f"{path}:1",
            hint=Text(
                f"Nearest: {guess}. Mend the file or the mapping." if guess else "Mend the file or the mapping.",
                f"最接近: {guess}。请更正文件或映射。" if guess else "请更正文件或映射。",
            ),
        )
    for name in wanted:
        if names.count(name) > 1:
            raise _wrong(path, f"the column '{name}' stands twice in the header.", f"表头中列 '{name}' 重复。", row=1)
    return [names.index(name) for name in wanted]


def _no_header(path: Path, wanted: Sequence[str]) -> ConfigError:
    """None of the columns is there. Perhaps this line is a record and no header, so nothing of it is shown."""
    listed = ", ".join(f"'{w}'" for w in wanted)
    return ConfigError(
        Text(
            f"the first line names none of the mapping's columns ({listed}).",
            f"首行没有映射中的任何一列({listed})。",
        ),
        where=f"{path}:1",
        hint=Text(
            "Is there a header, and is it the right file and delimiter?", "请确认文件有表头, 且文件与分隔符无误。"
        ),
    )


class _Lines:
    """A file's lines, bounded, and the characters read since somebody last set `chars` to 0."""

    def __init__(self, path: Path, file: IO[str]) -> None:
        self._path = path
        self._file = file
        self.chars = 0

    def read(self) -> Iterator[str]:
        """Line by line."""
        number = 0
        while line := self._file.readline(MAX_LINE):
            number += 1
            size = len(line)
            self.chars += size
            if size >= MAX_LINE:
                raise _wrong(
                    self._path,
                    f"line longer than {MAX_LINE} characters: this is no CSV.",
                    f"单行超过 {MAX_LINE} 个字符: 不是 CSV。",
                    row=number,
                )
            yield line


def _check_text(path: Path, head: bytes) -> None:
    if not head:
        raise _wrong(
            path, "the file is empty.", "文件为空。", Text("A file has at least a header.", "文件至少应有表头。")
        )
    kind = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
    if kind is None and head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        kind = "UTF-16"
    if kind is None and b"\x00" in head:
        kind = "binary"
    if kind is not None:
        raise _wrong(
            path,
            f"not a CSV file: it looks like {kind}.",
            f"不是 CSV 文件: 像是 {kind}。",
            Text("Save it as CSV in UTF-8.", "请另存为 UTF-8 编码的 CSV。"),
        )


def _first_undecodable(path: Path, encoding: str) -> int | None:
    """About where (byte, to a megabyte) the file stops being this encoding, or None."""
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
                done += len(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return done + error.start
    except OSError as error:
        raise _unreadable(path, error) from error
    return None


def _malformed(path: Path, row: int, line: int, error: csv.Error) -> ConfigError:
    if "field larger" in str(error):
        en, zh = f"a cell is longer than {MAX_CELL} characters", f"单元格超过 {MAX_CELL} 个字符"
    elif "unexpected end" in str(error):
        en, zh = "a quote is never closed", "引号未闭合"
    else:
        en, zh = "quotes do not match", "引号不匹配"
    return ConfigError(
        Text(f"row {row} (to line {line}): {en}.", f"第 {row} 行数据(至文件第 {line} 行): {zh}。"),
        where=f"{path}:{row}",
        hint=Text(
            'Check the quotes from this row on: inside quotes, a quote is written "".',
            '请检查该行起的引号: 引号内的引号写作 ""。',
        ),
    )


def _lies(path: Path, encoding: str, place: int) -> ConfigError:
    name = encoding.removesuffix("-sig")
    return _wrong(
        path,
        f"not {name} as the mapping says: byte {place} does not fit.",
        f"与映射声明的 {name} 编码不符: 第 {place} 字节。",
        Text(
            "Set 'encoding: auto' in the mapping, or save the file again.",
            "请在映射中设 'encoding: auto' 或重新保存文件。",
        ),
    )


def _unreadable(path: Path, error: OSError) -> ConfigError:
    return _wrong(path, f"cannot be read: {error.strerror}.", f"无法读取: {error.strerror}。")


def _wrong(path: Path, en: str, zh: str, hint: Text | None = None, *, row: int | None = None) -> ConfigError:
    return ConfigError(Text(en, zh), where=f"{path}:{row}" if row else str(path), hint=hint)
