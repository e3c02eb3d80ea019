import typer

from infra.bus.session import Session


def add(app: typer.Typer, session: Session) -> None:
    """Nothing yet."""
