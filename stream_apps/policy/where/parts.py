"""The parts of a filter that must all be true, as they are written: so that people can be told which of them was not."""

from __future__ import annotations

import sqlglot
from sqlglot import TokenType


def conditions(where: str) -> list[str]:
    """What the outermost ANDs of a filter (one that `parse_where` takes) join; the whole if there is none, or an OR beside
    them."""
    cuts, depth, between = [0], 0, False
    for token in sqlglot.tokenize(where):
        kind = token.token_type
        depth += (kind == TokenType.L_PAREN) - (kind == TokenType.R_PAREN)
        if depth:
            continue
        if kind == TokenType.OR:
            return [where.strip()]
        if kind == TokenType.AND and not between:
            cuts += [token.start, token.end + 1]
        between = kind == TokenType.BETWEEN or (between and kind != TokenType.AND)
    cuts.append(len(where))
    return [where[a:b].strip() for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
