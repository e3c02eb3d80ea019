"""bus demo: the sample city, or the real registrations, through the whole bus."""

import os
from pathlib import Path

import typer

from infra.bus.session import Session
from schemas.errors import ConfigError, PermanentError
from schemas.text import Text


def add(app: typer.Typer, session: Session) -> None:
    """The verb of this group."""
    say = session.say
    real_option = typer.Option(
        None, "--real", help=say("Carry this CSV of real registrations instead.", "改用此真实登记数据 CSV。")
    )

    @app.command(
        rich_help_panel=say("See it work", "演示与测量"),
        help=say(
            "A sample city end to end, every record accounted for (BUS_DEMO_EVENTS sets the size).",
            "示例城市全流程, 逐条对账(BUS_DEMO_EVENTS 设定规模)。",
        ),
    )
    def demo(
        real: Path | None = real_option,
    ) -> None:
        _demo(session, real)


def _demo(session: Session, real: Path | None) -> None:
    from infra.bus.demo.report import DemoReport
    from infra.bus.demo.story import Story
    from infra.bus.progress import progress
    from infra.runtime import logs

    logs.configure(json=False, level="error")  # the story is told in steps; retries are not part of it
    settings = session.settings()
    root = settings.home.resolve()
    story = Story(session)
    with progress(session) as shown:
        report: DemoReport
        if real is None:
            from infra.bus.demo.run import Demo

            report = Demo(root / "demo", _events(), story, settings.maven_repository, shown).run()
            path = root / "demo-report.json"
        else:
            from infra.bus.demo.real import RealDemo

            report = RealDemo(root / "demo-real", real, story, settings.maven_repository, shown).run()
            path = root / "demo-real-report.json"
    report.write(path)
    report.finish(session, story, path)
    if not report.reconciled:
        raise PermanentError(
            Text("the counts do not reconcile.", "对账不一致。"),
            where=str(path),
            hint=Text("The lines marked ✗ show where.", "标有 ✗ 的行即为不一致之处。"),
        )


def _events() -> int:
    text = os.environ.get("BUS_DEMO_EVENTS", "100000")
    if not text.isdigit() or not 1_000 <= int(text) <= 10_000_000:
        raise ConfigError(
            Text(
                f"'{text}' is no number of events from 1,000 to 10,000,000.",
                f"'{text}' 不是 1,000 至 10,000,000 之间的事件数。",
            ),
            where="BUS_DEMO_EVENTS",
        )
    return int(text)
