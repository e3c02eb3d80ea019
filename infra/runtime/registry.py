"""The schema registry through its Confluent-compatible API: the four calls the bus needs, cached for ever by id.

A schema id never changes its meaning, so what was read once is never read again; a registry that is down stops only what
nobody here has seen before.
"""

from __future__ import annotations

import json
from typing import Any

import httpx2 as httpx

from infra.runtime.settings import Settings
from schemas.errors import ConfigError, PermanentError, TransientError
from schemas.text import Text

_TIMEOUT_S = 10.0


class Registry:
    """A client of one registry. Thread-safe; close it when done.

    Every call raises TransientError if the registry is out of reach or answers 5xx (the caller's runner retries), and
    PermanentError for an answer that will not change.
    """

    def __init__(self, settings: Settings) -> None:
        password = settings.registry_password
        auth = (settings.registry_user, password.get_secret_value()) if settings.registry_user and password else None
        self._url = (settings.registry_url or "").rstrip("/")
        # without TLS there is no certificate to verify, and loading the authorities takes 20-60 ms
        self._http = httpx.Client(auth=auth, timeout=_TIMEOUT_S, trust_env=False, verify=self._url.startswith("https:"))
        self._by_id: dict[int, str] = {}
        self._ids: dict[tuple[str, str], int] = {}

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()

    def register(self, subject: str, schema: dict[str, Any]) -> int:
        """The id of `schema` under `subject`, registering it if new. ConfigError if it breaks BACKWARD compatibility."""
        text = json.dumps(schema, ensure_ascii=False)
        known = self._ids.get((subject, text))
        if known is None:
            answer = self._call("POST", f"/subjects/{subject}/versions", {"schema": text, "schemaType": "AVRO"})
            known = self._ids[subject, text] = int(answer["id"])
        return known

    def compatible(self, subject: str, schema: dict[str, Any]) -> bool:
        """Whether `register` would accept `schema` now; nothing is written."""
        text = json.dumps(schema, ensure_ascii=False)
        body = {"schema": text, "schemaType": "AVRO"}
        try:
            answer = self._call("POST", f"/compatibility/subjects/{subject}/versions/latest", body)
        except NotThere:
            return True
        return bool(answer["is_compatible"])

    def schema(self, schema_id: int) -> dict[str, Any]:
        """The schema with this id. PermanentError if the registry has none."""
        if schema_id not in self._by_id:
            self._by_id[schema_id] = self._call("GET", f"/schemas/ids/{schema_id}")["schema"]
        parsed: dict[str, Any] = json.loads(self._by_id[schema_id])
        return parsed

    def subjects_of(self, schema_id: int) -> list[str]:
        """The subjects under which an id is registered: an id from another topic's subject is not to be trusted."""
        return [str(v["subject"]) for v in self._call("GET", f"/schemas/ids/{schema_id}/versions")]

    def latest(self, subject: str) -> tuple[int, dict[str, Any]] | None:
        """Id and schema of the newest version, or None if the subject is unknown."""
        try:
            answer = self._call("GET", f"/subjects/{subject}/versions/latest")
        except NotThere:
            return None
        return int(answer["id"]), json.loads(answer["schema"])

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            answer = self._http.request(method, self._url + path, json=body)
        except httpx.HTTPError as error:
            raise TransientError(
                Text(
                    f"the schema registry is out of reach ({type(error).__name__}).",
                    f"无法连接模式注册中心({type(error).__name__})。",
                ),
                where=self._url,
                hint=Text(
                    "Run 'bus status', or check BUS_REGISTRY_URL.", "请运行 'bus status', 或检查 BUS_REGISTRY_URL。"
                ),
            ) from error
        if answer.status_code >= 500:
            raise TransientError(
                Text(f"the schema registry answered {answer.status_code}.", f"模式注册中心返回 {answer.status_code}。"),
                where=self._url + path,
            )
        if answer.status_code == 404:
            raise NotThere(
                Text("the schema registry does not have this.", "模式注册中心没有此内容。"), where=self._url + path
            )
        if answer.status_code in (409, 422):
            raise ConfigError(
                Text(
                    "the registry refuses the schema as incompatible with the version before.",
                    "注册中心拒绝: 与上一版本不兼容。",
                ),
                where=path,
                hint=Text(
                    "A change must let new readers read old data: give new fields a default, keep types.",
                    "变更须能读取旧数据: 新字段须有默认值, 类型不可改变。",
                ),
            )
        if answer.status_code >= 400:
            raise PermanentError(
                Text(f"the schema registry answered {answer.status_code}.", f"模式注册中心返回 {answer.status_code}。"),
                where=self._url + path,
            )
        return answer.json()


class NotThere(PermanentError):
    """The registry has no such subject or id."""
