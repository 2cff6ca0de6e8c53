"""What KES may do in an AWS account: the IAM policy that grants it. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from kesdeploy.keystores.aws import places
from kesdeploy.keystores.aws.fields import AwsFields

if TYPE_CHECKING:
    from kesdeploy.spec import Spec

# What AWS asks of whoever creates and reads secrets under a key of his own (API reference of CreateSecret).
_KMS_ACTIONS = ["kms:Decrypt", "kms:GenerateDataKey"]


def iam_policy(spec: Spec) -> str:
    """JSON, for an IAM user or role. KES deletes without recovery, so it is not given that right."""
    fields = spec.keystore
    assert isinstance(fields, AwsFields)
    statements = [
        {
            "Sid": "KesCreatesAndReadsItsKeys",
            "Effect": "Allow",
            "Action": ["secretsmanager:CreateSecret", "secretsmanager:GetSecretValue"],
            "Resource": [f"{_arn('secretsmanager', fields.region)}:secret:{name}" for name in _secrets(spec)],
        },
        {"Sid": "KesListsNames", "Effect": "Allow", "Action": "secretsmanager:ListSecrets", "Resource": "*"},
    ]
    if fields.kmskey:
        statements.append(_kms(fields, fields.kmskey))
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2) + "\n"


def _secrets(spec: Spec) -> list[str]:
    """Patterns for the names of the keys. To the ARN of a secret AWS adds '-' and six characters."""
    if spec.kes.key_prefix:
        return [f"{spec.kes.key_prefix}*"]
    found: list[str] = []
    for _, name in spec.key_names:
        own = f"minio-{spec.name}-"
        # A name that kesdeploy made: other keys of the same deployment may be called alike.
        found += [f"{own}*"] if re.fullmatch(rf"{own}[0-9a-f]{{6}}", name) else [name, f"{name}-??????"]
    return list(dict.fromkeys(found))


def _kms(fields: AwsFields, key: str) -> dict[str, Any]:
    """Use of the key, by Secrets Manager alone. An alias is no resource that a policy could name: it is a condition."""
    resource, conditions = _kms_resource(fields.region, key)
    through = {"StringEquals": {"kms:ViaService": _through(fields.region)}}
    return {
        "Sid": "SecretsManagerUsesTheKmsKey",
        "Effect": "Allow",
        "Action": _KMS_ACTIONS,
        "Resource": resource,
        "Condition": {**through, **conditions},
    }


def _through(region: str) -> str | list[str]:
    """Secrets Manager as KMS calls it. Where AWS has another domain, documents show it with that and without."""
    names = dict.fromkeys((f"secretsmanager.{region}.amazonaws.com", places.endpoint(region)))
    return list(names) if len(names) > 1 else next(iter(names))


def _kms_resource(region: str, key: str) -> tuple[str, dict[str, Any]]:
    account, _, what = key.rpartition(":")
    prefix = account or _arn("kms", region)
    if not what.startswith("alias/"):
        return f"{prefix}:{what if account else f'key/{what}'}", {}
    return f"{prefix}:key/*", {"ForAnyValue:StringEquals": {"kms:ResourceAliases": what}}


def _arn(service: str, region: str) -> str:
    return f"arn:{places.partition(region).name}:{service}:{region}:*"
