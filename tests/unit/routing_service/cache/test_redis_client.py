"""Where Redis is, by its URL."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from routing_service.cache.redis_client import RedisAddress, parse_redis_url
from routing_service.settings import RoutingServiceSettings


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://cache", RedisAddress("redis", (("cache", 6379),))),
        ("redis://cache:7000/3", RedisAddress("redis", (("cache", 7000),), 3)),
        ("rediss://cache/0", RedisAddress("redis", (("cache", 6379),), tls=True)),
        ("redis://[::1]:7000", RedisAddress("redis", (("::1", 7000),))),
        (
            "redis://app:p%40ss@cache",
            RedisAddress("redis", (("cache", 6379),), username="app", password="p@ss"),
        ),
        ("redis://:secret@cache", RedisAddress("redis", (("cache", 6379),), password="secret")),
        (
            "sentinel://a,b:26380/main?db=2",
            RedisAddress("sentinel", (("a", 26379), ("b", 26380)), 2, "main"),
        ),
        ("sentinels://a/main", RedisAddress("sentinel", (("a", 26379),), 0, "main", tls=True)),
        ("cluster://a:1,b:2,c:3", RedisAddress("cluster", (("a", 1), ("b", 2), ("c", 3)))),
        ("clusters://a", RedisAddress("cluster", (("a", 6379),), tls=True)),
    ],
)
def test_urls(url: str, address: RedisAddress) -> None:
    assert parse_redis_url(url) == address


def test_a_password_from_a_file_comes_first() -> None:
    address = parse_redis_url("rediss://:old@cache", "new", Path("ca.pem"))

    assert (address.password, address.ca_file) == ("new", Path("ca.pem"))


@pytest.mark.parametrize(
    "url",
    [
        "cache:6379",
        "http://cache",
        "redis://",
        "redis://a,b",
        "redis://cache/first",
        "redis://cache:port",
        "sentinel://a,b",
        "sentinel://a,,b/main",
        "sentinel://a/main?db=x",
        "cluster://a/1",
    ],
)
def test_what_is_no_url_of_redis(url: str) -> None:
    with pytest.raises(ValueError):
        parse_redis_url(url)


def test_errors_keep_the_password_to_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXBRIDGE_ROUTING_REDIS_URL", "redis://:geheim@a,b")
    monkeypatch.setenv("AXBRIDGE_ROUTING_DATABASE_URL", "postgresql+asyncpg://user:geheim@host/name")
    with pytest.raises(ValidationError) as refused:
        RoutingServiceSettings()

    assert "redis_url" in str(refused.value)
    assert "geheim" not in str(refused.value)


def test_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("p@ss/word\n")
    (tmp_path / "redis").write_text("geheim\n")
    settings = RoutingServiceSettings(
        database_url="postgresql+asyncpg://app@host:5433/routing",
        database_password_file=tmp_path / "db",
        redis_url="redis://cache",
        redis_password_file=tmp_path / "redis",
    )

    assert settings.effective_database_url == "postgresql+asyncpg://app:p%40ss%2Fword@host:5433/routing"
    assert settings.redis_password == "geheim"
    assert "geheim" not in repr(settings)
