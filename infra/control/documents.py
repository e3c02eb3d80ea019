"""The files a person applies, read and parsed as a whole before anything happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from infra.control.signatures import read_signature
from schemas.application import Application, parse_application
from schemas.approval import Approval
from schemas.combination_rule import CombinationRule, parse_rule
from schemas.contract import Contract, load_contract
from schemas.errors import ConfigError
from schemas.grant import Grant, parse_grant
from schemas.signature import Signature
from schemas.text import Text
from schemas.validation import parse_yaml, read_text

CONTRACT_FILES = (".avsc",)
GRANT_FILES = (".yaml", ".yml")

D = TypeVar("D", Contract, Grant, CombinationRule, Application)


@dataclass(frozen=True, slots=True)
class Documents:
    """Contracts, grants, rules and applications with the file of each, every id once; `skipped` are documents of other kinds in folders."""

    contracts: tuple[tuple[str, Contract], ...]
    grants: tuple[tuple[str, Grant], ...]
    skipped: tuple[tuple[str, str], ...] = ()
    """File and kind."""
    rules: tuple[tuple[str, CombinationRule], ...] = ()
    signatures: Mapping[str, Signature] = field(default_factory=dict)
    """Of contracts, by resource, where one lies beside the file."""
    applications: tuple[tuple[str, Application], ...] = ()
    approvals: Mapping[str, Approval] = field(default_factory=dict)
    """Of grants, by id: what both sides signed. Never from files, only from the log of acts."""


def read_documents(paths: Sequence[Path]) -> Documents:
    """Everything in `paths`: files, and .avsc and .yaml files anywhere below folders, in the order of their names.

    Raises ConfigError for the first document that is wrong, and for two documents that contradict each other.
    """
    contracts: dict[str, tuple[str, Contract]] = {}
    grants: dict[str, tuple[str, Grant]] = {}
    rules: dict[str, tuple[str, CombinationRule]] = {}
    applications: dict[str, tuple[str, Application]] = {}
    signatures: dict[str, Signature] = {}
    skipped: list[tuple[str, str]] = []
    for path, in_folder in _files(paths):
        if path.suffix in CONTRACT_FILES:
            contract = load_contract(path)
            _once(contracts, contract.id, (str(path), contract))
            signature = read_signature(path)
            if signature is not None:
                signatures[contract.id] = signature
            continue
        for document in _yaml(path):
            kind = document.get("kind") if isinstance(document, dict) else None
            if kind == "CombinationRule":
                rule = parse_rule(document, str(path))
                _once(rules, rule.id, (str(path), rule))
                continue
            if kind == "Application":
                application = parse_application(document, str(path))
                _once(applications, application.id, (str(path), application))
                continue
            if in_folder and isinstance(kind, str) and kind != "Grant":
                skipped.append((str(path), kind))
                continue
            grant = parse_grant(document, str(path))
            _once(grants, grant.id, (str(path), grant))
    return Documents(
        tuple(contracts.values()),
        tuple(grants.values()),
        tuple(skipped),
        tuple(rules.values()),
        signatures,
        tuple(applications.values()),
    )


def _files(paths: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    for path in paths:
        if path.is_dir():
            found = sorted(f for f in path.rglob("*") if f.suffix in CONTRACT_FILES + GRANT_FILES and f.is_file())
            if not found:
                raise ConfigError(
                    Text("the folder holds no .avsc or .yaml file.", "目录中没有 .avsc 或 .yaml 文件。"),
                    where=str(path),
                )
            yield from ((f, True) for f in found)
        elif path.suffix in CONTRACT_FILES + GRANT_FILES:
            yield path, False
        else:
            raise ConfigError(
                Text("neither a contract nor a grant by its name.", "从文件名看既不是契约也不是授权。"),
                where=str(path),
                hint=Text(
                    "Contracts end in .avsc, grants and rules in .yaml.", "契约以 .avsc 结尾, 授权与规则以 .yaml 结尾。"
                ),
            )


def _yaml(path: Path) -> list[Any]:
    documents = [d for d in parse_yaml(read_text(path), str(path)) if d is not None]
    if not documents:
        raise ConfigError(Text("holds no grant.", "没有授权内容。"), where=str(path))
    return documents


def _once(seen: dict[str, tuple[str, D]], name: str, entry: tuple[str, D]) -> None:
    """The same document twice is one; two different ones under one id contradict each other."""
    before = seen.setdefault(name, entry)
    if before[1] != entry[1]:
        raise ConfigError(
            Text(
                f"'{name}' is also written in {before[0]}, and the two differ.",
                f"'{name}' 在 {before[0]} 中也有定义, 且内容不同。",
            ),
            where=entry[0],
            hint=Text("Keep one of them.", "请只保留其中一份。"),
        )
