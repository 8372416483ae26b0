"""`python -m gateway` with its guards: HTTPS, an access file that changes, and files that can't be used."""

import json
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from common.lifecycle import parse_announcement
from gateway.platform_access import generate_token, token_hash
from tests.support.certificates import CertificateAuthority

QUERY = json.dumps(
    {
        "sid": "s1",
        "vccId": "100001",
        "callId": "c1",
        "seq": "1",
        "method": "query",
        "callingNumber": "13800001111",
        "accessNumber": "02566000001",
    }
).encode()


def launch(**env: str) -> "subprocess.Popen[str]":
    settings = {f"AXBRIDGE_GATEWAY_{name}": value for name, value in env.items()}
    nobody = {"AXBRIDGE_GATEWAY_ROUTING_TARGET": "127.0.0.1:1", "AXBRIDGE_GATEWAY_EVENTS_TARGET": "127.0.0.1:1"}
    return subprocess.Popen(
        [sys.executable, "-m", "gateway"],
        env={"PATH": "", "AXBRIDGE_GATEWAY_LISTEN": "127.0.0.1:0", **nobody, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Secured:
    """A gateway with HTTPS and an access file."""

    def __init__(self, directory: Path) -> None:
        self.authority = CertificateAuthority.create()
        files = self.authority.issue(directory / "tls", "gateway")
        self.access = directory / "access.toml"
        self.grant(generate_token())
        self.process = launch(
            HTTPS_CERT_FILE=str(files.cert_file), HTTPS_KEY_FILE=str(files.key_file), ACCESS_FILE=str(self.access)
        )
        assert self.process.stdout is not None
        announcement = parse_announcement(self.process.stdout.readline().strip())
        assert announcement is not None
        self.address = announcement[1]

    def grant(self, token: str) -> None:
        self.access.write_text(f'[[tenant]]\nid = "100001"\ntokens = ["{token_hash(token)}"]\n')

    def result(self, token: str) -> str:
        """What a query with this token is answered."""
        status, content = self.send(f"/v1/calls/{token}", QUERY)
        assert status == 200
        return str(content["result"])

    def send(self, path: str, body: bytes | None = None) -> tuple[int, Any]:
        trusting = ssl.create_default_context(cadata=self.authority.pem.decode())
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"https://{self.address}{path}", data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10, context=trusting) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    secured = Secured(tmp_path_factory.mktemp("secured"))
    yield secured
    secured.process.terminate()
    secured.process.communicate(timeout=20)


def test_https_and_nothing_else(secured: Secured) -> None:
    assert secured.send("/livez") == (200, {"status": "alive"})
    host, _, port = secured.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as plain:
        plain.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP" not in plain.recv(1024)


def test_a_changed_access_file_counts_without_a_restart(secured: Secured) -> None:
    token = generate_token()
    assert secured.result(token) == "1007"
    secured.grant(token)
    until(lambda: secured.result(token) != "1007")
    secured.access.write_text("nonsense")
    until(lambda: any("access file" in reason for reason in secured.send("/readyz")[1]["degraded"]))
    assert secured.result(token) != "1007", "the last good one stays in force"
    secured.grant(generate_token())
    until(lambda: secured.result(token) == "1007")


@pytest.mark.parametrize(
    ("name", "said"),
    [("ACCESS_FILE", "access file"), ("HTTPS_CERT_FILE", "tls.crt: the certificate expired at")],
)
def test_a_file_that_can_not_be_used_is_told_in_one_line(tmp_path: Path, name: str, said: str) -> None:
    files = CertificateAuthority.create().issue(tmp_path / "tls", "gateway", ends_in=timedelta(seconds=-1))
    (tmp_path / "access.toml").write_text("nonsense")
    env = {"ACCESS_FILE": str(tmp_path / "access.toml")}
    if name == "HTTPS_CERT_FILE":
        env = {"HTTPS_CERT_FILE": str(files.cert_file), "HTTPS_KEY_FILE": str(files.key_file)}
    process = launch(**env)
    _, log = process.communicate(timeout=30)
    assert process.returncode == 1
    (line,) = [line for line in log.splitlines() if line]
    assert "can't start" in line
    assert said in line


def until(condition: Any) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
