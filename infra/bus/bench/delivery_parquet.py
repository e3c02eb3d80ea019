"""Parquet files as a store of `bus bench delivery`: one pyarrow `ParquetWriter` with its defaults, a `write_batch` for each batch.

Both loops write what the bus's files hold: the released fields, operation, time, partition and offset; one file, and nobody waits
until it is on the disk. They differ in what lies ready:
  parquet                  rows, one dict for each event, which pyarrow makes into columns as a program would that has rows
  parquet, columns ready   Arrow record batches, so that nothing is left to do but to write the file
The bus's part of it is the same in both: the files sink, with a file for each 5 MB of rows, all of them finished at the end.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from consumers.events import Batch
from consumers.sinks.files import manifest
from consumers.sinks.files.feed import Feed
from consumers.view import View

_ROLL_MB = 5
"""A usual file has 64; a pace shows only between the first file and the last."""


class ParquetStore:
    """See `infra.bus.bench.delivery.Store`. Every place is a folder."""

    options: tuple[str, ...] = ("--until", "caught-up")
    """The files sink finishes its last file when the delivery ends."""

    def __init__(self, root: Path, *, columns_ready: bool) -> None:
        self._root, self._columns_ready = root, columns_ready
        self.name = "parquet, columns ready" if columns_ready else "parquet"
        self._made = 0

    def fresh(self) -> str:
        """A folder that is not there yet; the one before is gone."""
        shutil.rmtree(self._root / str(self._made), ignore_errors=True)
        self._made += 1
        return f"parquet:{self._root / str(self._made)}?roll_mb={_ROLL_MB}"

    def bare(self, address: str, view: View, batches: Sequence[Batch]) -> float:
        """One writer, nothing else."""
        path, feed = _folder(address) / "bare.parquet", Feed(view)
        path.parent.mkdir(parents=True)
        columns = [feed.rows(batch)[0] for batch in batches]
        if self._columns_ready:
            began = time.perf_counter()
            with pq.ParquetWriter(path, feed.schema) as writer:
                for ready in columns:
                    writer.write_batch(ready)
            return time.perf_counter() - began
        rows = [c.to_pylist() for c in columns]
        began = time.perf_counter()
        with pq.ParquetWriter(path, feed.schema) as writer:
            for some in rows:
                writer.write_batch(pa.RecordBatch.from_pylist(some, schema=feed.schema))
        return time.perf_counter() - began

    @contextmanager
    def watch(self, address: str) -> Iterator[Callable[[], int]]:
        """What the manifest says of finished files."""
        folder = _folder(address)

        def held() -> int:
            return sum(manifest.read(found.parent).events for found in folder.glob(f"*/current/{manifest.NAME}"))

        yield held


@contextmanager
def parquet_store() -> Iterator[ParquetStore]:
    """The store against a loop that has rows, in a folder that goes with the block."""
    with tempfile.TemporaryDirectory(prefix="bus-bench-parquet-") as root:
        yield ParquetStore(Path(root), columns_ready=False)


@contextmanager
def parquet_columns_store() -> Iterator[ParquetStore]:
    """The store against a loop that has columns, in a folder that goes with the block."""
    with tempfile.TemporaryDirectory(prefix="bus-bench-parquet-") as root:
        yield ParquetStore(Path(root), columns_ready=True)


def _folder(address: str) -> Path:
    return Path(address.removeprefix("parquet:").partition("?")[0])
