"""bus exchange: the worker that applies grants, and the parent that keeps it running."""

import os
import secrets
import signal
import sys

import typer

from infra.bus.output import note, warn
from infra.bus.session import Session
from schemas.text import Text


def add(app: typer.Typer, session: Session) -> None:
    """The verb of this group."""
    say = session.say

    @app.command(
        rich_help_panel=say("Flow", "流转"),
        help=say("Exchange until stopped; start several for more.", "持续交换直至停止; 可启动多个以提高吞吐。"),
    )
    def exchange(
        instance: str = typer.Option(
            "", "--instance", help=say("Name of the worker.", "工作进程名称。"), show_default=False
        ),
        metrics_port: int = typer.Option(0, min=0, max=65535, help=say("0: a free one.", "0 表示自动选择。")),
        worker: bool = typer.Option(False, "--worker", hidden=True),
    ) -> None:
        name = instance or secrets.token_hex(4)
        if worker:
            _work(session, name, metrics_port)
        else:
            raise typer.Exit(_keep_running(session, name, metrics_port))


def _keep_running(session: Session, name: str, metrics_port: int) -> int:
    """The parent. It checks what a person can mend before there is a child, and says what nobody must overlook."""
    from infra.bus.reach import unsecured
    from infra.bus.supervisor import supervise
    from infra.runtime.custodian import held_keys
    from schemas.errors import ConfigError
    from schemas.ids import check_id

    settings = session.settings().located("exchange")
    try:
        check_id(name)
    except ValueError as error:
        raise ConfigError(Text(f"{error}.", f"{error}。"), where="--instance") from error
    for text in held_keys(settings).notes:
        warn(session, text)
    exposed = unsecured(settings)
    if exposed is not None:
        warn(session, exposed)

    def restarting(code: int, wait_s: float) -> None:
        how = signal.Signals(-code).name if code < 0 else f"{code}"
        warn(
            session,
            Text(
                f"the worker {name} ended ({how}); starting it again in {wait_s:g} s.",
                f"工作进程 {name} 异常退出({how}), {wait_s:g} 秒后重启。",
            ),
        )

    command = [sys.executable, "-m", "infra.bus", "--lang", session.language, *(["--json"] if session.json else [])]
    command += ["exchange", "--worker", "--instance", name, "--metrics-port", str(metrics_port)]
    code = supervise(command, os.environ, restarting)
    note(session, Text(f"worker {name} has stopped.", f"工作进程 {name} 已停止。"))
    return code


def _work(session: Session, name: str, metrics_port: int) -> None:
    """The child."""
    from infra.bus.session import a_person_watches
    from infra.bus.supervisor import end_with_parent
    from infra.runtime import logs
    from stream_apps.exchange import run_exchange

    end_with_parent(os.environ)
    logs.configure(json=session.json or not a_person_watches())
    run_exchange(session.settings(), instance=name, metrics_port=metrics_port)
