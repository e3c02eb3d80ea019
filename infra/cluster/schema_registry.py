"""How the schema registry is configured and started, and what is set in it before anyone may use it."""

from __future__ import annotations

from pathlib import Path

from infra.cluster.artefacts import Installation
from infra.cluster.ports import Ports

COMPATIBILITY = "BACKWARD"
"""New readers read old data. The registry's own default is NONE."""


def prepare(installed: Installation, folder: Path, ports: Ports) -> list[str]:
    """The command line that starts the registry with its database in `folder`; to be run there, in `jvm.environment()`."""
    folder.mkdir(exist_ok=True)
    # Without the last two H2 answers before it writes, and a kill -9 loses schemas that were acknowledged.
    database = "jdbc:h2:file:./schemas;DB_CLOSE_ON_EXIT=FALSE;WRITE_DELAY=0"
    settings = {
        "quarkus.http.host": ports.inside,
        "quarkus.http.port": ports.registry,
        "quarkus.http.access-log.enabled": "false",
        "quarkus.log.console.enable": "false",
        "quarkus.log.file.enable": "true",
        "quarkus.log.file.path": "registry.log",
        "quarkus.log.file.json": "false",
        "quarkus.log.file.rotation.max-file-size": "10M",
        "quarkus.log.file.rotation.max-backup-index": 3,
        'quarkus.log.category."io.apicurio".level': "WARN",
        "apicurio.storage.kind": "sql",
        "apicurio.storage.sql.kind": "h2",
        "apicurio.datasource.url": database,
        "apicurio.datasource.jdbc.initial-size": 2,
        "apicurio.datasource.jdbc.min-size": 2,
        "apicurio.datasource.jdbc.max-size": 10,
        "apicurio.import.work-dir": ".",
        "java.io.tmpdir": ".",
    }
    runner = next(installed.registry.glob("*-runner.jar"))
    return [
        str(installed.java),
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:TieredStopAtLevel=1",
        "-Xms64m",
        "-Xmx256m",
        *(f"-D{name}={value}" for name, value in settings.items()),
        "-jar",
        str(runner),
    ]
