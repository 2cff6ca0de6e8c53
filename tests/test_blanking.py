"""What looks like a secret does not stay in a text; what only sounds like one does."""

from __future__ import annotations

import pytest

from kesdeploy.blanking import blanked

SECRET = "Xq7-sEcReT-9zK"
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBkg\nXq7=\n"


@pytest.mark.parametrize(
    "text",
    [
        f"MINIO_ROOT_PASSWORD={SECRET}",
        f"export MINIO_ROOT_PASSWORD='{SECRET} and more'",
        f'{{"secretKey":"{SECRET}"}}',
        f'{{"client_secret": "{SECRET} {SECRET}"}}',
        f"approle: {{id: x, secret: {SECRET}}}",
        f"AWS_SECRET_ACCESS_KEY={SECRET}",
        f"VAULT_TOKEN={SECRET}",
        f"mc alias set a --secret-key {SECRET}",
        f"curl --password={SECRET}",
        f"https://me:{SECRET}@127.0.0.1:9000",
        f"Authorization: AWS4-HMAC-SHA256 Credential=a, Signature={SECRET}",
        f"GET /x?X-Amz-Signature={SECRET}",
        f"Root Token: {SECRET}",
        f"kes:v1:AOJ22p6+12mmxd+{SECRET.replace('-', '+')}",
        f"hvs.CAESI{SECRET}{SECRET}",
        f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{SECRET}",
        f"{PEM}{SECRET}\n-----END EC PRIVATE KEY-----",
        f"{PEM}{SECRET}",
    ],
)
def test_no_secret_stays(text: str):
    clean = blanked(text)
    assert SECRET not in clean
    assert SECRET.replace("-", "+") not in clean
    assert "REDACTED" in clean
    assert blanked(clean) == clean


def test_32_bytes_in_base64_are_a_key():
    assert blanked("Unseal Key 1: Kforj2q5KLpYlBN2uCyfB4l+nYSwlhOGQgYegwVlck0=") == "Unseal Key 1: REDACTED"


def test_a_secret_id_in_a_table():
    assert "0b5f" not in blanked("secret_id             0b5f5c2e-6a2f-7a0e-8a4c-1f6bb1a4f1aa")


@pytest.mark.parametrize(
    "text",
    [
        "kes: invalid API key: invalid length",
        "secret key 'k1' created",
        'Get "https://secretmanager.googleapis.com": unsupported protocol scheme',
        "x509: decryption password incorrect",
        "* invalid role or secret ID",
        "req.identity=18dadc12d70521e093bc83a52b1d4024e467565fb5a79ff2b665951a58bcc5c5 res.code=200",
        "quay.io/minio/kes@sha256:bb97b121b03b0acd04eecea63a5909ec2e56eab1a48e0cc418036b67502a64b0",
        "https://127.0.0.1:7373/v1/key/list",
        "MINIO_ROOT_PASSWORD length at least 8 characters",
    ],
)
def test_what_is_none_stays(text: str):
    assert blanked(text) == text
