"""AWS Secrets Manager, whose secrets AWS's KMS encrypts."""

from __future__ import annotations

import importlib.util
import os
import re
from typing import TYPE_CHECKING, Any, ClassVar

from kesdeploy.errors import UsageError
from kesdeploy.keystores.aws.fields import KEYS, AwsFields
from kesdeploy.keystores.aws.policy import iam_policy
from kesdeploy.keystores.aws.secretsmanager import Login, Place, may_read
from kesdeploy.keystores.extras import warn_unproven
from kesdeploy.keystores.outside import Credential, Outside, at
from kesdeploy.keystores.reaching import answers, authority
from kesdeploy.keystores.words import Habits, Question

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.keystores.words import Work
    from kesdeploy.spec import KeystoreFields, Spec

_SETTINGS = ("endpoint", "region", "kmskey")
_SECRETS = ("accesskey", "secretkey", "token")
_LONGEST_WAIT = 10

ACCESS_KEY = Credential(
    "credentials.accesskey",
    "Access key id",
    "Of an IAM user who may do what `kesdeploy policy aws` shows, and nothing else.",
    environment=("AWS_ACCESS_KEY_ID",),
)
SECRET_KEY = Credential(
    "credentials.secretkey",
    "Secret access key",
    "AWS shows it once, when the access key is made.",
    environment=("AWS_SECRET_ACCESS_KEY",),
)
TOKEN = Credential("credentials.token", "Session token", "It belongs to temporary access keys.")


class Aws(Outside):
    kind: ClassVar[str] = "aws"
    title: ClassVar[str] = "AWS Secrets Manager"
    summary: ClassVar[str] = "keys as secrets of your AWS account, encrypted by its KMS"
    habits: ClassVar[Habits] = Habits(
        "AWS deletes it at once and for ever: KES asks for no recovery window",
        besides="every secret of the account and region",
        rights=("secretsmanager:CreateSecret", "secretsmanager:GetSecretValue", "secretsmanager:DeleteSecret"),
    )
    fields: ClassVar[type[KeystoreFields]] = AwsFields
    kes_paths: ClassVar[Mapping[str, str]] = {
        **{f"aws.secretsmanager.{name}": name for name in _SETTINGS},
        **{f"aws.secretsmanager.credentials.{name}": f"credentials.{name}" for name in _SECRETS},
    }
    # AWS's client takes its authority from the first, KES's own look at the endpoint from the second.
    ca_variables: ClassVar[tuple[str, ...]] = ("AWS_CA_BUNDLE", "SSL_CERT_FILE")

    def credentials(self, fields: KeystoreFields) -> tuple[Credential, ...]:
        if at(fields, "credentials") is None:
            return ()
        return (ACCESS_KEY, SECRET_KEY, *([TOKEN] if at(fields, TOKEN.path) else []))

    def context(self, spec: Spec) -> Mapping[str, Any]:
        fields = _fields(spec)
        return {
            "endpoint": fields.host,
            "region": fields.region,
            "kmskey": fields.kmskey or "",
            "credentials": {"token": ""} if fields.credentials else {},
        }

    def policy(self, spec: Spec) -> str:
        return iam_policy(spec)

    def questions(self, fields: KeystoreFields) -> tuple[Question, ...]:
        return (*_where(fields), *_whose(fields), *self.asked(fields))

    def preflight(self, work: Work) -> None:
        if login := self._login(work):
            _refuse_mixed_up(login)
        super().preflight(work)

    def restore(self, spec: Spec, key: str) -> str:
        return f"aws secretsmanager restore-secret --secret-id {key} --region {_fields(spec).region}"

    def prove(self, work: Work) -> None:
        fields = _fields(work.spec)
        ca, timeout = authority(fields.ca, "keystore.aws.ca"), min(work.timeout, _LONGEST_WAIT)
        place = Place(fields.host, fields.region, ca, timeout, work.spec.kes.proxy)
        key = f"keystore.aws.{'endpoint' if fields.endpoint else 'region'}"
        answers(f"https://{place.host}", "AWS Secrets Manager", key, ca=ca, timeout=timeout, proxy=place.proxy)
        login = self._login(work)
        if login is None:
            work.report.note("KES uses the credentials that it finds in its container; its first key proves them")
            return
        if login.token:
            work.report.warn(
                "the AWS session token ends after some hours, and KES reads no key from then on; "
                "an IAM user's access keys do not end"
            )
        if importlib.util.find_spec("botocore") is None:
            warn_unproven(work, "aws")
            return
        may_read(place, login, work.spec.key_name, _grant(work.spec))

    def _login(self, work: Work) -> Login | None:
        """None where the spec leaves it to what KES finds."""
        found = {c.path.rpartition(".")[2]: self.secret(work, c.path) for c in self.credentials(work.spec.keystore)}
        return Login(**found) if found else None


def _fields(spec: Spec) -> AwsFields:
    assert isinstance(spec.keystore, AwsFields)
    return spec.keystore


def _where(fields: KeystoreFields) -> tuple[Question, ...]:
    """The region; an endpoint and its authority only where the environment has such a thing."""
    region = Question(
        "keystore.aws.region",
        "Region",
        "Where AWS is to keep the keys, as in eu-central-1.",
        environment=("AWS_REGION", "AWS_DEFAULT_REGION"),
    )
    endpoint = Question(
        "keystore.aws.endpoint",
        "Endpoint",
        "A Secrets Manager of your own, such as a VPC endpoint, instead of the region's.",
        skip="aws",
        environment=("AWS_ENDPOINT_URL_SECRETS_MANAGER",),
    )
    ca = Question(
        "keystore.aws.ca",
        "PEM file of its authority",
        "Who signed the endpoint's certificate: a file, or one of the public authorities.",
        skip="public",
        environment=("AWS_CA_BUNDLE",),
    )
    proposed = any(os.environ.get(name) for name in endpoint.environment)
    return (region, *([endpoint] if proposed else []), *([ca] if at(fields, "endpoint") else []))


def _whose(fields: KeystoreFields) -> tuple[Question, ...]:
    """Whether KES is given credentials, and which kind."""
    credentials = Question(
        "keystore.aws.credentials",
        "Credentials",
        "keys: an access key that you type now. machine: the role of the EC2 instance that this is.",
        default=KEYS,
        skip="machine",
    )
    token = Question(
        "keystore.aws.credentials.token",
        "Session token",
        "AWS_SESSION_TOKEN is set: temporary access keys need it. It ends after some hours, and KES with it.",
        default="env:AWS_SESSION_TOKEN",
        skip="none",
    )
    temporary = at(fields, "credentials") is not None and os.environ.get("AWS_SESSION_TOKEN")
    return (credentials, *([token] if temporary else []))


def _refuse_mixed_up(login: Login) -> None:
    """Mistakes for which AWS has no better words than 'invalid'."""
    if login.accesskey.startswith("ASIA") and not login.token:
        raise UsageError(
            "these are temporary AWS access keys, and their session token is missing",
            because="their access key id begins with ASIA",
            hint="--set keystore.aws.credentials.token=env:AWS_SESSION_TOKEN, or access keys of an IAM user",
        )
    if re.fullmatch(r"A[KS]IA[0-9A-Z]{16}", login.secretkey):
        raise UsageError(
            "the secret access key of AWS is an access key id",
            because=f"it begins with {login.secretkey[:4]} and has 20 characters",
            hint="exchange keystore.aws.credentials.accesskey and .secretkey",
        )


def _grant(spec: Spec) -> str:
    """The command that shows the policy, whether or not the deployment is there already."""
    fields = _fields(spec)
    said = {"keystore.aws.region": fields.region, "keystore.aws.kmskey": fields.kmskey, "key_name": spec.key_name}
    sets = " ".join(f"--set {path}={value}" for path, value in said.items() if value)
    return f"kesdeploy policy aws -n {spec.name} {sets}"
