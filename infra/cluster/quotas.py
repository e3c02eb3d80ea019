"""Quotas, read and set by Kafka's own tool: the Python client has no call for them. Each run starts a Java, some seconds."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.cluster.artefacts import Installation, default_cache, ensure
from infra.cluster.jvm import environment
from infra.cluster.lock import read_lock
from infra.cluster.progress import Progress
from infra.runtime.settings import Settings
from infra.security.certificates import write_private
from infra.security.quotas import Quota, as_kafka, from_kafka, names
from schemas.errors import PermanentError, TransientError
from schemas.text import Text

_TOOL_S = 60.0
_PARALLEL = 2
_USERS = ("--entity-type", "users")
_LATER = ("TimeoutException", "DisconnectException", "NetworkException")


def tool(settings: Settings, progress: Progress) -> Installation:
    """What Kafka's tool runs from; downloaded where it never was. Raises what downloading raises."""
    return ensure(read_lock(), default_cache(), settings.maven_repository, progress)


def read_quotas(settings: Settings, installed: Installation) -> dict[str | None, Quota]:
    """Everybody's (None) and each user's own. Raises what `set_quotas` does."""
    return from_kafka(_run(settings, installed, "--describe", *_USERS))


def set_quotas(settings: Settings, installed: Installation, quotas: Mapping[str | None, Quota]) -> None:
    """Give users quotas of their own (None: everybody). What a quota does not say stays.

    Raises TransientError if the cluster does not answer (again does no harm), and PermanentError if it refuses: quotas are
    the user `control`'s to change.
    """
    _alter(settings, installed, {user: ("--add-config", as_kafka(quota)) for user, quota in quotas.items()})


def drop_quotas(settings: Settings, installed: Installation, quotas: Mapping[str | None, Quota]) -> None:
    """Take away the quotas that users have; with them goes all that is their own. Raises what `set_quotas` does."""
    _alter(settings, installed, {user: ("--delete-config", names(quota)) for user, quota in quotas.items()})


def _alter(settings: Settings, installed: Installation, changes: Mapping[str | None, tuple[str, str]]) -> None:
    def one(entry: tuple[str | None, tuple[str, str]]) -> None:
        user, change = entry
        whose = ("--entity-default",) if user is None else ("--entity-name", user)
        _run(settings, installed, "--alter", *_USERS, *whose, *change)

    with ThreadPoolExecutor(_PARALLEL) as pool:
        list(pool.map(one, changes.items()))


def _run(settings: Settings, installed: Installation, *arguments: str) -> str:
    """What the tool prints. It gets the password by a file only this user can read, never by its command line."""
    java = [str(installed.java), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx128m"]
    jars = ":".join(str(jar) for jar in installed.jars)
    with TemporaryDirectory(prefix="bus-quotas-") as folder:  # 0700
        config = Path(folder) / "client.properties"
        write_private(config, client_properties(settings))
        tool = [*java, "-cp", jars, "kafka.admin.ConfigCommand", "--bootstrap-server", str(settings.bootstrap_servers)]
        command = [*tool, "--command-config", str(config), *arguments]
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=_TOOL_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise _refused(settings, "TimeoutException") from None
    if done.returncode:
        raise _refused(settings, done.stdout + done.stderr)
    return done.stdout


def client_properties(settings: Settings) -> str:
    """How a Java client gets in as these settings do. It holds their secrets."""
    said: dict[str, str] = {"security.protocol": settings.security_protocol}
    if settings.security_protocol.startswith("SASL"):
        password = settings.sasl_password.get_secret_value() if settings.sasl_password else ""
        module = "scram.Scram" if settings.sasl_mechanism.startswith("SCRAM") else "plain.Plain"
        said["sasl.mechanism"] = settings.sasl_mechanism
        said["sasl.jaas.config"] = (
            f"org.apache.kafka.common.security.{module}LoginModule required "
            f"username={_quoted(settings.sasl_username or '')} password={_quoted(password)};"
        )
    authority = settings.ssl_ca_pem or (settings.ssl_ca_location and settings.ssl_ca_location.read_text())
    if authority:
        said |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": authority}
    if settings.ssl_certificate_location and settings.ssl_key_location:
        said |= {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": settings.ssl_certificate_location.read_text(),
            "ssl.keystore.key": settings.ssl_key_location.read_text(),
        }
    return "".join(f"{name}={_escaped(value)}\n" for name, value in said.items())


def _quoted(text: str) -> str:
    """A value of a JAAS line."""
    inside = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inside}"'


def _escaped(text: str) -> str:
    """A value of a Java properties file, which is Latin-1 and one line."""
    plain = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    units = plain.encode("utf-16-be")
    codes = (int.from_bytes(units[n : n + 2], "big") for n in range(0, len(units), 2))
    return "".join(chr(c) if 32 <= c < 127 else f"\\u{c:04x}" for c in codes)


def _refused(settings: Settings, printed: str) -> PermanentError | TransientError:
    """By the kind of error alone: what the tool prints may hold more than a message should."""
    if any(kind in printed for kind in _LATER):
        return TransientError(
            Text("the Kafka cluster does not answer.", "Kafka 集群无响应。"), where=settings.bootstrap_servers
        )
    return PermanentError(
        Text("Kafka refuses to tell or to change quotas.", "Kafka 拒绝查询或修改配额。"),
        where=settings.bootstrap_servers,
        hint=Text("Run it as the user 'control' of a secured cluster.", "请以安全集群的用户 'control' 运行。"),
    )
