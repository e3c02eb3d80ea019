"""bus publish: a department's changes onto the bus."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.bus.output import facts, note, table
from infra.bus.session import Session, a_person_watches
from schemas.text import Text

_STAGES = {
    "check": Text("checking", "检查"),
    "publish": Text("publishing", "发布"),
    "delete": Text("deletes", "处理删除"),
}


def add(app: typer.Typer, session: Session) -> None:
    """The verb of this group."""
    say = session.say

    @app.command(
        rich_help_panel=say("Flow", "流转"),
        help=say("Publish what changed in a source since the last time.", "发布数据源自上次以来的变化。"),
    )
    def publish(
        file: Annotated[Path, typer.Argument(help=say("The file.", "数据文件。"))],
        mapping: Annotated[
            Path, typer.Option("--mapping", help=say("Source columns to fields.", "源列与字段的映射。"))
        ],
        adapter: str = typer.Option("file", "--adapter", help=say("Kind of source.", "数据源类型。")),
        contract: Annotated[
            Path | None,
            typer.Option(
                "--contract", help=say("Default: the one in force.", "默认使用生效中的契约。"), show_default=False
            ),
        ] = None,
        accept_deletes: bool = typer.Option(
            False, "--accept-deletes", help=say("Even if many rows are missing.", "即使大量记录缺失也继续。")
        ),
        snapshot: bool = typer.Option(False, "--snapshot", help=say("Publish every row again.", "重新发布全部记录。")),
        metrics_port: int = typer.Option(0, min=0, max=65535, help=say("0: a free one.", "0 表示自动选择。")),
    ) -> None:
        _publish(session, file, mapping, adapter, contract, accept_deletes, snapshot, metrics_port)


def _publish(
    session: Session,
    file: Path,
    mapping: Path,
    adapter: str,
    contract: Path | None,
    deletes: bool,
    snapshot: bool,
    metrics_port: int,
) -> None:
    from infra.bus.process import began
    from producers.catalogue import ADAPTERS
    from producers.run import publish_file
    from schemas.errors import ConfigError

    if adapter not in ADAPTERS:
        raise ConfigError(
            Text(
                f"no adapter of this kind; there are: {', '.join(ADAPTERS)}.",
                f"没有此类适配器; 可用: {', '.join(ADAPTERS)}。",
            ),
            where="--adapter",
        )
    settings = session.settings().located()
    began(session, settings, metrics_port, level="warning")  # what was published is told by the report
    with _progress(session) as progress:
        report = publish_file(
            settings, mapping, file, contract=contract, accept_deletes=deletes, snapshot=snapshot, progress=progress
        )
    _show(session, report)


def _show(session: Session, report: Any) -> None:
    quarantined = [{"field": f, "reason": r, "count": n} for (f, r), n in sorted(report.quarantined.items(), key=str)]
    nulled = [{"field": f, "reason": r, "count": n} for (f, r), n in sorted(report.nulled.items(), key=str)]
    if session.json:
        facts(
            session,
            {
                "adapter": report.adapter,
                "resource": report.resource,
                "rows": report.rows,
                "published": dict(report.published),
                "unchanged": report.unchanged,
                "repeated": report.repeated,
                "quarantined": quarantined,
                "quarantined_rows": report.quarantined_rows,
                "nulled": nulled,
                "quarantine_file": report.quarantine_file,
            },
        )
        return
    say = session.say
    ops = {
        "c": say("created", "新增"),
        "u": say("updated", "更新"),
        "d": say("deleted", "删除"),
        "r": say("read", "快照"),
    }
    rows = [[say("rows", "行数"), report.rows, ""]]
    rows += [[say("published", "发布"), n, ops.get(op, op)] for op, n in sorted(report.published.items())]
    rows += [[say("unchanged", "无变化"), report.unchanged, ""], [say("repeated", "重复"), report.repeated, ""]]
    rows += [[say("quarantined", "隔离"), q["count"], f"{q['field'] or '-'}: {q['reason']}"] for q in quarantined]
    rows += [[say("made null", "置空"), q["count"], f"{q['field']}: {q['reason']}"] for q in nulled]
    table([report.resource, say("count", "数量"), say("detail", "详情")], rows)
    if report.quarantine_file is not None:
        note(session, Text(f"Rejected rows: {report.quarantine_file}", f"被隔离的记录: {report.quarantine_file}"))


@contextmanager
def _progress(session: Session) -> Iterator[Callable[[str, int], None]]:
    if not a_person_watches():
        yield lambda _stage, _rows: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:,}"), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(file=sys.stderr)) as bars:

        def told(stage: str, rows: int) -> None:
            if stage not in tasks:
                words = _STAGES.get(stage, Text(stage, stage))
                tasks[stage] = bars.add_task(words.to(session.language), total=None)
            bars.update(tasks[stage], completed=rows)

        yield told
