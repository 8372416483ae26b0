"""What guards a cluster, made for a test: certificates as cert-manager would store them, keys, tokens, as Secrets."""

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path

from common.auth.api_keys import ApiKey, Pepper
from tests.support.certificates import CertificateAuthority
from tools.k8s.manifests import Manifest


def secret(name: str, files: dict[str, str | bytes]) -> Manifest:
    data = {key: base64.b64encode(text.encode() if isinstance(text, str) else text) for key, text in files.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "data": {key: text.decode() for key, text in data.items()},
    }


def certificate_secrets(
    manifests: Iterable[Manifest], authority: CertificateAuthority, directory: Path
) -> list[Manifest]:
    """What cert-manager makes of the Certificate objects: for each a Secret, with the names that it asks for."""
    found = []
    for each in manifests:
        if each["kind"] == "Certificate":
            spec = each["spec"]
            issued = authority.issue(directory / spec["secretName"], spec["commonName"], other_names=spec["dnsNames"])
            found.append(secret(spec["secretName"], {path.name: path.read_bytes() for path in issued.paths}))
    return found


def key_entry(key: ApiKey, pepper: Pepper, caller: str, scopes: list[str]) -> str:
    return (
        f'[[key]]\nid = "{key.key_id}"\ncaller = "{caller}"\nhash = "{pepper.hash(key)}"\n'
        f'tenants = ["*"]\nscopes = {scopes!r}\n'
    )


def platform_entry(tenant_id: str, token: str) -> str:
    digest = base64.b64encode(hashlib.sha256(token.encode()).digest()).decode()
    return f'[[tenant]]\nid = "{tenant_id}"\ntokens = ["sha256:{digest}"]\n'
