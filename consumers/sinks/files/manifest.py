"""The manifest beside a grant's files: what is in each, what the columns are, and how far the topic was read."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from consumers.sinks.files.atomic import whole
from consumers.sinks.files.feed import feed_names
from consumers.sinks.files.settings import Format
from consumers.view import Origin, View
from schemas.errors import PermanentError
from schemas.text import Text

NAME = "manifest.json"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(_Entry):
    """The offsets of a partition that a file covers: from `first` to before `next`."""

    first: int
    next: int


class FileEntry(_Entry):
    """One finished file. `events` are the view events in it; `rows` may be more, by tombstones that became deletes."""

    name: str
    rows: int
    events: int
    bytes: int
    sha256: str
    partitions: dict[int, Range]


class ColumnEntry(_Entry):
    """One released column: what it holds (see `consumers.view.Kind`), whether it is of the key, and its title."""

    name: str
    type: str
    key: bool
    title: str
    precision: int = 0
    scale: int = 0


class FeedColumns(_Entry):
    """What the columns of the change itself are called."""

    op: str
    released_at: str
    partition: str
    offset: str


class Manifest(_Entry):
    """Of one generation. `positions` are the offsets to read next after all files, `events` all that brought it there,
    `since_ms` when the folder was begun, milliseconds since 1970 UTC."""

    version: int = 1
    format: Format
    grant: str
    title: str
    topic: str
    topic_id: str
    generation: int
    partitions: int
    since_ms: int
    feed: FeedColumns
    columns: tuple[ColumnEntry, ...]
    positions: dict[int, int]
    events: int
    next_file: int
    files: tuple[FileEntry, ...]

    @property
    def origin(self) -> Origin:
        """The topic the files come from."""
        return Origin(self.topic, self.topic_id, self.generation, self.partitions)


def begun(view: View, kind: Format, since_ms: int) -> Manifest:
    """The manifest of a folder without files."""
    origin = view.origin
    return Manifest(
        format=kind,
        grant=view.grant,
        title=view.title,
        topic=origin.topic,
        topic_id=origin.topic_id,
        generation=origin.generation,
        partitions=origin.partitions,
        since_ms=since_ms,
        feed=FeedColumns(**feed_names(view)._asdict()),
        columns=tuple(
            ColumnEntry(name=c.name, type=c.kind, key=c.key, title=c.title, precision=c.precision, scale=c.scale)
            for c in view.columns
        ),
        positions=dict.fromkeys(range(origin.partitions), 0),
        events=0,
        next_file=1,
        files=(),
    )


def read(folder: Path) -> Manifest:
    """The folder's manifest. PermanentError if it is gone or not what was written."""
    path = folder / NAME
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        raise PermanentError(
            Text(
                "the manifest is missing or damaged, so nobody knows what the files hold.",
                "清单缺失或损坏, 无法得知文件内容。",
            ),
            where=str(path),
            hint=Text("Put it back, or deliver once with --rebuild.", "请恢复该文件, 或使用 --rebuild 重新投递。"),
        ) from None


def write(folder: Path, manifest: Manifest) -> None:
    """Put the manifest in the place of the one before, in one step."""
    with whole(folder / NAME) as out:
        out.write(manifest.model_dump_json(indent=1).encode())
