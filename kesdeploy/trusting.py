"""How to trust a deployment's authority, client by client: commands to copy, with the right paths in them. Pure."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEYTOOL = "keytool -importcert -noprompt -storepass changeit"


@dataclass(frozen=True)
class Way:
    """One client. `lines` are to be copied as they are."""

    client: str
    lines: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class Target:
    """What is to be trusted, and for what: a root's PEM file, and the address of a server that shows a leaf of it.

    pair: the client certificate and key that the server wants to see (KES), as paths.
    """

    name: str
    ca: str
    url: str
    pair: tuple[str, str] | None = None

    @property
    def file(self) -> str:
        """What the root is called where it stands among others."""
        return f"kesdeploy-{self.name}.crt"


def ways(target: Target) -> tuple[Way, ...]:
    """For S3 every client; for KES those that can speak to it."""
    programs = _kes(target) if target.pair else _s3(target)
    return (*programs, *_everything(target))


def _s3(target: Target) -> Iterator[Way]:
    ca, url, netloc = shlex.quote(target.ca), target.url, urlsplit(target.url).netloc
    quoted = json.dumps(target.ca)
    yield Way("curl", (f"curl --cacert {ca} {url}/minio/health/live",))
    yield Way("AWS CLI, boto3", (f"export AWS_CA_BUNDLE={ca}",), f'or: eval "$(kesdeploy env -n {target.name})"')
    yield Way("boto3, in code", (f'boto3.client("s3", endpoint_url="{url}", verify={quoted})',))
    yield Way("Python requests", (f"export REQUESTS_CA_BUNDLE={ca}",), f"in code: requests.get(…, verify={quoted})")
    yield Way(
        "Python minio",
        (f'Minio("{netloc}", USER, PASSWORD, http_client=urllib3.PoolManager(ca_certs={quoted}))',),
        f"or, for the whole program: export SSL_CERT_FILE={ca}",
    )
    yield Way("mc", (f"mkdir -p ~/.mc/certs/CAs && cp {ca} ~/.mc/certs/CAs/{target.file}",))


def _kes(target: Target) -> Iterator[Way]:
    ca = shlex.quote(target.ca)
    cert, key = map(shlex.quote, target.pair or ("", ""))
    yield Way("curl", (f"curl --cacert {ca} --cert {cert} --key {key} {target.url}/version",))
    yield Way(
        "kes",
        (f'eval "$(kesdeploy env -n {target.name} --kes)"',),
        f"or: kesdeploy kes -n {target.name}, which needs nothing",
    )
    pair = ", ".join(map(json.dumps, target.pair or ()))
    get = f'requests.get("{target.url}/version", verify={json.dumps(target.ca)}, cert=({pair}))'
    yield Way("Python requests", (get,))


def _everything(target: Target) -> Iterator[Way]:
    """What trusts a root whoever asks whom."""
    ca, file = shlex.quote(target.ca), target.file
    store = f"kesdeploy-{target.name}.p12"
    yield Way(
        "Java, one program",
        (
            f"{_KEYTOOL} -alias kesdeploy-{target.name} -file {ca} -keystore {store} -storetype PKCS12",
            f"java -Djavax.net.ssl.trustStore={store} -Djavax.net.ssl.trustStorePassword=changeit …",
        ),
        "such a program trusts nobody else",
    )
    yield Way("Java, every program", (f"sudo {_KEYTOOL} -cacerts -alias kesdeploy-{target.name} -file {ca}",))
    yield Way("Go, on Linux", (f"SSL_CERT_FILE={ca} PROGRAM",), "such a program trusts nobody else; macOS: see below")
    yield Way(
        "Go, in code",
        (
            "roots, _ := x509.SystemCertPool()",
            f"pem, _ := os.ReadFile({json.dumps(target.ca)})",
            "roots.AppendCertsFromPEM(pem)",
            "client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}",
        ),
    )
    yield Way("Node.js", (f"export NODE_EXTRA_CA_CERTS={ca}",))
    yield Way(
        "Debian, Ubuntu",
        (f"sudo cp {ca} /usr/local/share/ca-certificates/{file} && sudo update-ca-certificates",),
    )
    yield Way("Fedora, RHEL", (f"sudo cp {ca} /etc/pki/ca-trust/source/anchors/{file} && sudo update-ca-trust",))
    keychain = "/Library/Keychains/System.keychain"
    yield Way("macOS", (f"sudo security add-trusted-cert -d -r trustRoot -k {keychain} {ca}",))
    yield Way(
        "Windows, as administrator",
        (f"certutil -addstore -f Root {file}",),
        f"copy it there as {file} first: kesdeploy certs trust -n {target.name} --out {file}",
    )
    yield Way(
        "Firefox",
        (),
        "keeps a list of its own: Settings, Privacy & Security, View Certificates, Authorities, Import",
    )
