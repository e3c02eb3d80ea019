"""The deployment's compose file as Docker would read it: variables put in, each service with its environment and mounts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[3] / "infra" / "deploy"
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of the host, or a volume's name, and where a container sees it."""

    source: str
    target: str
    read_only: bool


class Compose:
    """The whole file. KeyError for a variable that is needed and not there."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        def put_in(found: re.Match[str]) -> str:
            name, kind, word = found.groups()
            return variables.get(name, word) if kind == "-" else variables[name]

        text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
        self.whole: dict[str, Any] = yaml.safe_load(_VARIABLE.sub(put_in, text))
        self.services: dict[str, dict[str, Any]] = self.whole["services"]

    def environment(self, service: str) -> dict[str, str]:
        return dict(self.services[service].get("environment", {}))

    def mounts(self, service: str) -> list[Mount]:
        """Secrets are mounted too: read only, as /run/secrets/NAME."""
        said = self.services[service]
        secrets = {name: self.whole["secrets"][name]["file"] for name in said.get("secrets", [])}
        out = [Mount(file, f"/run/secrets/{name}", True) for name, file in secrets.items()]
        for volume in said.get("volumes", []):
            if isinstance(volume, str):
                source, target, *mode = volume.split(":")
                out.append(Mount(source, target, mode == ["ro"]))
            else:
                out.append(Mount(volume["source"], volume["target"], volume.get("read_only", False)))
        return out

    def outward(self) -> set[str]:
        """Networks that lead out of the host's inside."""
        return {name for name, said in self.whole["networks"].items() if not said.get("internal", False)}
