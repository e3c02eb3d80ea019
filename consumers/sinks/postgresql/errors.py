"""PostgreSQL's errors as ours: by code only, because its texts quote values."""

from __future__ import annotations

import psycopg

from schemas.errors import BusError, PermanentError, TransientError
from schemas.text import Text

_PASSING = ("08", "25P03", "40", "53", "55", "57", "58")
"""SQLSTATEs that pass, by how they begin: connection, a transaction the server ended because we were silent, deadlock and
serialization, resources, locks, shutdown, system error."""


def as_ours(error: psycopg.Error, where: str) -> BusError:
    """TransientError if trying again may work. A connection that cannot be made has no code and counts as such."""
    code = error.sqlstate
    if code is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return TransientError(
            Text("PostgreSQL is out of reach or refuses the connection.", "PostgreSQL 无法连接或拒绝连接。"),
            where=where,
            hint=Text(
                "Check address, user and password. A changed password goes into the sink's address; nothing is lost meanwhile.",
                "请检查地址、用户名与密码。密码变更后请更新目标地址; 期间不会丢失数据。",
            ),
        )
    constraint = error.diag.constraint_name
    if isinstance(error, psycopg.IntegrityError) and constraint:
        return PermanentError(
            Text(
                f"the database's own constraint '{constraint}' refuses a row (SQLSTATE {code}).",
                f"数据库自身的约束 '{constraint}' 拒绝写入(SQLSTATE {code})。",
            ),
            where=f"{where} {error.diag.table_name or ''}".strip(),
            hint=Text(
                "The bus did not make it. Drop it, then deliver again; delivery goes on where it stopped.",
                "该约束并非由总线创建。请删除后重新投递, 将从停止处继续。",
            ),
        )
    kind = TransientError if (code or "").startswith(_PASSING) else PermanentError
    name = f"{type(error).__name__}, SQLSTATE {code}"
    return kind(Text(f"PostgreSQL refused ({name}).", f"PostgreSQL 拒绝执行({name})。"), where=where)
