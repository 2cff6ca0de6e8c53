"""Certificates, KES API keys and identities. Bytes in memory: nothing here touches a disk, a network or a clock.

Every `now` is an aware datetime that the caller brings. PEM goes in and out as bytes; private keys are PKCS#8, which
KES, MinIO and OpenBao all read.
"""

from kesdeploy.pki.authority import Authority, Leaf, LeafRequest, Usage
from kesdeploy.pki.fitness import covers, refuse_unfit
from kesdeploy.pki.identity import api_key_of, identity, key_of, new_api_key
from kesdeploy.pki.inspection import CertificateInfo, describe, reason_to_reissue, reason_to_replace
from kesdeploy.pki.pair import server_pair
from kesdeploy.pki.pem import fingerprint, split

__all__ = [
    "Authority",
    "CertificateInfo",
    "Leaf",
    "LeafRequest",
    "Usage",
    "api_key_of",
    "covers",
    "describe",
    "fingerprint",
    "identity",
    "key_of",
    "new_api_key",
    "reason_to_reissue",
    "reason_to_replace",
    "refuse_unfit",
    "server_pair",
    "split",
]
