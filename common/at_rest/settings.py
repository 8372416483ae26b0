"""Settings of numbers at rest, alike for the services that have a database."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings


class AtRestSettings(BaseSettings):
    """Part of a service's settings; `python -m SERVICE` gives it its prefix."""

    master_key_file: Path | None = Field(
        default=None,
        description="File with the master key (`axbridge encryption new-key`) that the keys of numbers at rest are "
        "wrapped with; empty: numbers are kept as they are (docs/privacy.md). A database is one or the other.",
    )
