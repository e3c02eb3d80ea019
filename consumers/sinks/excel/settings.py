"""Settings of the Excel sink."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from schemas.validation import Model

MOST_ROWS = 1_048_575
"""Rows of a sheet below its heading: what Excel can hold."""


class ExcelSettings(Model):
    """`excel:PATH.xlsx`."""

    path: Path
    """The workbook. Rows and positions are in a SQLite file of the same name, ending in .db."""
    rows_per_sheet: int = Field(default=MOST_ROWS, ge=1, le=MOST_ROWS)
    quiet_s: float = Field(default=2.0, ge=0)
    """The workbook is written anew when nothing has come for so long,"""
    oldest_s: float = Field(default=60.0, ge=0)
    """or when it lags behind by so much, and by ten times what writing it took."""

    @field_validator("path")
    @classmethod
    def _ending(cls, value: Path) -> Path:
        if value.suffix != ".xlsx":
            raise ValueError("a workbook ends in .xlsx / 工作簿须以 .xlsx 结尾")
        return value

    @property
    def rows(self) -> Path:
        """The SQLite file."""
        return self.path.with_suffix(".db")
