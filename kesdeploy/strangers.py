"""Those whom KES must refuse: who comes with a key that no policy names, with nobody's certificate, or with none."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from kesdeploy import pki, services
from kesdeploy.errors import ServiceError
from kesdeploy.topology.kes import certificates

if TYPE_CHECKING:
    from kesdeploy.deployment import Deployment

FORBIDDEN = 403
_HINT = "kesdeploy render shows the policies"
_NOBODY = ("connection refused", "time-out")


def refused(deployment: Deployment) -> str:
    """KES's words to a stranger. ServiceError when it serves one."""
    home, hint = deployment.home, f"kesdeploy up -n {deployment.name}"
    ours = _refusal(deployment, pki.Authority(home.ca_cert.read_bytes(), home.ca_key.read_bytes()))
    if services.elsewhere(deployment.spec) or not certificates(deployment.spec):
        return ours.because
    foreign = _refusal(deployment, pki.Authority.create("stranger", deployment.now))
    if foreign.status:
        what = "KES lets in who has a certificate of another CA"
        raise ServiceError(what, because=f"only its policies refused it: {foreign.because}", hint=hint)
    return f"{ours.because}; with a certificate of another CA turned away by TLS"


def _refusal(deployment: Deployment, authority: pki.Authority) -> ServiceError:
    """What KES says to somebody with a certificate of this authority, over a key that no policy names."""
    leaf = authority.issue(pki.LeafRequest("stranger", (), pki.Usage.CLIENT, key="ed25519"), deployment.now)
    with TemporaryDirectory() as folder:
        pair = Path(folder, "crt"), Path(folder, "key")
        for file, content in zip(pair, (leaf.cert_pem, leaf.key_pem), strict=True):
            file.write_bytes(content)
        try:
            services.kes_as(deployment.spec, deployment.home, pair, timeout=5).generate(deployment.spec.key_name)
        except ServiceError as error:
            # Of a TLS alert, often no more arrives than a connection that breaks.
            if error.status == FORBIDDEN or (not error.status and error.because not in _NOBODY):
                return error
            raise
    raise ServiceError("KES made a data key for a stranger", hint=_HINT)


def kept_to_its_prefix(deployment: Deployment) -> str:
    """That MinIO's identity may not use a key outside of `kes.key_prefix`. ServiceError when it may."""
    prefix = deployment.spec.kes.key_prefix
    other = f"x{prefix}kesdeploy"[:80]
    try:
        services.kes(deployment.spec, deployment.home, identity="minio").generate(other)
    except ServiceError as error:
        if error.status == FORBIDDEN:
            return f"{other!r} refused: {error.because}"
        if error.status:
            raise ServiceError(
                f"MinIO may use keys outside of {prefix!r}", because=error.because, hint=_HINT
            ) from error
        raise
    raise ServiceError(f"MinIO may use keys outside of {prefix!r}", hint=_HINT)
