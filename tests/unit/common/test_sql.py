from pathlib import Path

from sqlalchemy import text

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
