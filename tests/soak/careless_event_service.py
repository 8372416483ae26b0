"""An event service that starts on a database which may lose commits. The proof that the fault runs can fail."""

import sys

from sqlalchemy.ext.asyncio import AsyncEngine

import event_service.__main__ as service


async def believe(_engine: AsyncEngine) -> None:
    """Where the real service checks, this one believes."""


if __name__ == "__main__":
    vars(service)["check_durability"] = believe
    sys.exit(service.main())
