"""`python -m tests.security_matrix [--small] [--json FILE]`: the table, and exit code 1 if any cell is wrong."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.security_matrix.run import run
from tests.security_matrix.scenario import LARGE, OPERATIONS, SMALL


def main() -> int:
    """Run it and print what came of it."""
    parser = argparse.ArgumentParser(prog="security-matrix", description=__doc__)
    parser.add_argument("--small", action="store_true", help="three departments instead of nine")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every cell there")
    given = parser.parse_args()
    began = time.monotonic()
    print("trying every cell on a secured cluster of its own; this takes minutes", file=sys.stderr)
    matrix = run(SMALL if given.small else LARGE)
    table = Table(title="done/refused; ! where one is wrong", show_lines=False)
    for heading in ("principal", *OPERATIONS):
        table.add_column(heading)
    for row in matrix.rows():
        table.add_row(*row)
    Console(width=230).print(table)
    facts = matrix.facts() | {"seconds": round(time.monotonic() - began, 1)}
    if given.json:
        given.json.write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")
    print(json.dumps({k: v for k, v in facts.items() if k != "tried"}, ensure_ascii=False))
    return 1 if matrix.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
