from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from common.sql import begin_write, open_engine


async def test_sqlite_is_opened_durable_and_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}")
    try:
        async with begin_write(engine) as connection:
            await connection.execute(text("CREATE TABLE t (n INTEGER)"))
        async with begin_write(engine) as writer:
            await writer.execute(text("INSERT INTO t VALUES (1)"))
            async with engine.connect() as reader:
                assert (await reader.execute(text("PRAGMA journal_mode"))).scalar() == "wal"
                assert (await reader.execute(text("PRAGMA synchronous"))).scalar() == 2
                assert (await reader.execute(text("PRAGMA foreign_keys"))).scalar() == 1
                assert (await reader.execute(text("SELECT count(*) FROM t"))).scalar() == 0
        async with engine.connect() as reader:
            assert (await reader.execute(text("SELECT count(*) FROM t"))).scalar() == 1
    finally:
        await engine.dispose()


async def test_a_read_only_engine_sees_every_commit_and_refuses_to_write(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'x.db'}"
    writer, reader = open_engine(url), open_engine(url, pool_size=1, read_only=True)
    try:
        for number in range(3):
            async with begin_write(writer) as connection:
                await connection.execute(text("CREATE TABLE IF NOT EXISTS t (n INTEGER)"))
                await connection.execute(text("INSERT INTO t VALUES (1)"))
            async with reader.connect() as connection:
                assert (await connection.execute(text("SELECT count(*) FROM t"))).scalar() == number + 1
        async with reader.connect() as connection:
            with pytest.raises(OperationalError, match="readonly"):
                await connection.execute(text("INSERT INTO t VALUES (1)"))
    finally:
        await writer.dispose()
        await reader.dispose()


async def test_a_failed_write_is_rolled_back(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}")
    try:
        async with begin_write(engine) as connection:
            await connection.execute(text("CREATE TABLE t (n INTEGER)"))
        try:
            async with begin_write(engine) as connection:
                await connection.execute(text("INSERT INTO t VALUES (1)"))
                raise LookupError
        except LookupError:
            pass
        async with engine.connect() as reader:
            assert (await reader.execute(text("SELECT count(*) FROM t"))).scalar() == 0
    finally:
        await engine.dispose()
