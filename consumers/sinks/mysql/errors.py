"""Errors of a MySQL-compatible server as ours: by number and names only, because its texts quote values."""

from __future__ import annotations

import re

import pymysql

from schemas.errors import BusError, PermanentError, TransientError
from schemas.text import Text

_PASSING = frozenset(
    [
        *(1040, 1203),  # too many connections
        *(1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1927),  # the connection was cut, or the server stops
        *(1205, 1213, 1317, 1969, 3024),  # locks, deadlocks, interrupted, took too long
        *(1021, 1026, 1030, 1114, 1135, 1041),  # disk, memory and threads
        *(1223, 1290, 1836),  # read only for a while
        *(2002, 2003, 2006, 2013, 2014, 2055),  # out of reach
    ]
)
_REFUSED = frozenset({1044, 1045, 1698, 1820, 1862})
_REFUSALS = {3819: "check-violated", 4025: "check-violated", 1048: "null-refused"}
"""What one row alone can be refused for: conditions its department has put on the table."""
_CONSTRAINT = (re.compile(r"for key '([\w$.]+)'\Z"), re.compile(r"CONSTRAINT [`.\w$]*?`([\w$]+)`"))


def as_ours(error: pymysql.err.Error, where: str) -> BusError:
    """TransientError if trying again may work. Refused credentials count as such: a password is changed on both sides."""
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if code in _REFUSED:
        return TransientError(
            Text(f"the database refuses user or password (error {code}).", f"数据库拒绝该用户名或密码(错误 {code})。"),
            where=where,
            hint=Text(
                "Give the new password in the sink's address and start again; nothing is lost meanwhile.",
                "请在目标地址中填写新密码后重新启动; 期间不会丢失数据。",
            ),
        )
    if code in _PASSING or isinstance(error, pymysql.err.InterfaceError) or code == 0:
        return TransientError(
            Text(f"the database is out of reach or busy (error {code}).", f"数据库无法连接或繁忙(错误 {code})。"),
            where=where,
        )
    named = _constraint(error)
    if named is not None:
        return PermanentError(
            Text(
                f"the database's own constraint '{named}' refuses a row (error {code}).",
                f"数据库自身的约束 '{named}' 拒绝写入(错误 {code})。",
            ),
            where=where,
            hint=Text(
                "The bus did not make it. Drop it, then deliver again; delivery goes on where it stopped.",
                "该约束并非由总线创建。请删除后重新投递, 将从停止处继续。",
            ),
        )
    return PermanentError(Text(f"the database refused (error {code}).", f"数据库拒绝执行(错误 {code})。"), where=where)


def refusal(error: pymysql.err.Error) -> str | None:
    """The word for what a single row may be refused for; None for any other error."""
    return _REFUSALS.get(error.args[0]) if error.args else None


def _constraint(error: pymysql.err.Error) -> str | None:
    if not isinstance(error, pymysql.err.IntegrityError) and error.args[0] not in (3819, 4025):
        return None
    text = str(error.args[1]) if len(error.args) > 1 else ""
    found = next((m for m in (p.search(text) for p in _CONSTRAINT) if m), None)
    return found[1] if found else None
