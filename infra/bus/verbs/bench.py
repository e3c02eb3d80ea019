"""bus bench: what the bus costs, measured on this machine."""

from pathlib import Path
from typing import Any

import typer

from infra.bus.output import facts, note, table
from infra.bus.session import Session
from schemas.errors import ConfigError
from schemas.text import Text


def add(app: typer.Typer, session: Session) -> None:
    """The verb of this group."""
    say = session.say
    page_option = typer.Option(None, "--page", help=say("Write the page of figures here.", "将结果页写到此文件。"))

    @app.command(
        rich_help_panel=say("See it work", "演示与测量"),
        help=say(
            "Measure: policy, exchange, latency, delivery, snapshot, recovery, isolation, revocation, revocation-secured, control-plane, soak (an hour), or all others. Minutes.",
            "测量: policy、exchange、latency、delivery、snapshot、recovery、isolation、revocation、revocation-secured、control-plane、soak(一小时)或 all(其余全部), 需数分钟。",
        ),
    )
    def bench(
        name: str = typer.Argument(
            ...,
            metavar="policy|exchange|latency|delivery|snapshot|recovery|isolation|revocation|revocation-secured|control-plane|soak|all",
        ),
        page: Path | None = page_option,
        quick: bool = typer.Option(
            False, "--quick", help=say("A tenth of the load; proves nothing.", "十分之一负载, 仅验证可运行。")
        ),
        full: bool = typer.Option(
            False,
            "--full",
            help=say(
                "The city's size where the usual is smaller: 1,000 live resources, 5,000 grants, ten million records of history.",
                "按全市规模测量: 1,000 个在线资源、5,000 项授权、一千万条历史数据。",
            ),
        ),
        minutes: float = typer.Option(60, "--minutes", min=5, help=say("Length of the soak.", "soak 的时长(分钟)。")),
    ) -> None:
        _bench(session, name, page, quick, full, minutes)


def _bench(session: Session, name: str, page: Path | None, quick: bool, full: bool, minutes: float) -> None:
    from infra.bus.bench.catalogue import BENCHES, LONG, Bench, run
    from infra.bus.bench.page import write_page
    from infra.bus.progress import progress
    from infra.runtime import logs

    names = [b for b in BENCHES if b not in LONG] if name == "all" else [name]
    if not set(names) <= set(BENCHES):
        known = ", ".join(BENCHES)
        raise ConfigError(
            Text(f"there is no benchmark '{name}'.", f"没有名为 '{name}' 的测量。"),
            hint=Text(f"There are: {known}, all.", f"可用: {known}, all。"),
        )
    logs.configure(json=False, level="error")  # the story is told in steps; retries are not part of it
    settings = session.settings()
    folder = settings.home / "bench"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for one in names:
        with progress(session) as shown:
            bench = Bench(
                folder.resolve(),
                settings.maven_repository,
                shown,
                lambda line: note(session, Text(line, line)),
                quick,
                full,
                minutes,
            )
            found = run(one, bench)
        if session.json:
            facts(session, {one: found})
        else:
            _show(one, found)
    if page is not None:
        write_page(folder, page)


def _show(name: str, found: dict[str, Any]) -> None:
    """A table for each list of rows, and one for the rest."""
    rest = []
    for key, value in found.items():
        if isinstance(value, list) and value and key != "rounds":
            headings = list(value[0])
            table(headings, [[f"{v:,}" if isinstance(v, int) else v for v in row.values()] for row in value])
        elif key not in ("rounds", "machine"):
            rest.append([key, str(value)])
    table([name, ""], rest)
