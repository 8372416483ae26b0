"""An event service that runs on a database which may lose commits. The proof that the fault runs can fail."""

import sys

from sqlalchemy.ext.asyncio import AsyncEngine

import event_service.__main__ as service
import event_service.durability as durability


async def believe(_engine: AsyncEngine) -> None:
    """Where the real service checks, this one believes."""


if __name__ == "__main__":
    for module in (service, durability):
        vars(module)["check_durability"] = believe
    sys.exit(service.main())
