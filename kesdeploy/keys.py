"""The keys that KES has to hold. kesdeploy alone makes them, and none is ever replaced by another of its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy import drives, gate, loss, pki, services
from kesdeploy.ensure import FORBIDDEN, NOT_FOUND
from kesdeploy.errors import ServiceError
from kesdeploy.kes_log import FAILED, explained
from kesdeploy.resources import Key, Resource

if TYPE_CHECKING:
    from kesdeploy.clients.kes import Kes
    from kesdeploy.deployment import Deployment
    from kesdeploy.plan import Change


def ensure_key(deployment: Deployment, resource: Resource, _: Change) -> None:
    """Create the key, if it never was. One that data needs is not replaced by a new one of its name."""
    assert isinstance(resource.body, Key)
    kes = services.kes(deployment.spec, deployment.home)
    try:
        with explained(deployment):
            _find_or_create(deployment, kes, resource.name)
    except ServiceError as error:
        if error.status not in FAILED or services.elsewhere(deployment.spec):
            raise
        # Its login may have been ended by somebody: KES makes a new one when it reads its configuration again.
        gate.forget_keys(deployment)
        try:
            _find_or_create(deployment, kes, resource.name)
            find(kes, resource.name)
        except ServiceError:
            raise error from None  # what a second attempt meets may be what the first one left, such as half a key


def _find_or_create(deployment: Deployment, kes: Kes, key: str) -> None:
    try:
        find(kes, key)
    except ServiceError as error:
        if error.status == FORBIDDEN:
            raise _not_allowed(deployment, key, error) from error
        if error.status != NOT_FOUND:
            raise
        refuse_to_replace(deployment, key)
        _create(deployment, kes, key)


def find(kes: Kes, key: str) -> None:
    """ServiceError 404 when KES has no such key, 403 when this identity may not use it."""
    try:
        kes.describe_key(key)
    except ServiceError as error:
        if error.status != FORBIDDEN:
            raise
        # To describe a key is a right of its own; what MinIO needs of it tells as much.
        kes.generate(key)


def _create(deployment: Deployment, kes: Kes, key: str) -> None:
    try:
        kes.create_key(key)
    except ServiceError as error:
        if error.status != FORBIDDEN:
            raise
        raise ServiceError(
            f"the key {key!r} is not in that KES yet, and this deployment may not make it",
            because=error.because,
            hint=f"whoever runs it: kes key create {key}; then: kesdeploy up -n {deployment.name} --adopt-key",
            status=FORBIDDEN,
        ) from error
    if services.elsewhere(deployment.spec):
        deployment.report.warn(
            f"that KES lets MinIO create {key!r}: MinIO would replace a lost key by a new one, which opens nothing. "
            f"Ask for `deny: [/v1/key/create/{key}]` (kesdeploy policy -n {deployment.name})"
        )


def _not_allowed(deployment: Deployment, key: str, error: ServiceError) -> ServiceError:
    theirs = services.elsewhere(deployment.spec)
    if theirs is None:
        return error
    identity = pki.identity(deployment.home.identity("minio")[0].read_bytes())
    return ServiceError(
        f"that KES does not let identity {identity} use the key {key!r}",
        because=f"{theirs.endpoints[0]}: {error.because}",
        hint=f"kesdeploy policy -n {deployment.name}: what its operator has to allow; "
        f"then: kesdeploy up -n {deployment.name} --adopt-key",
        status=FORBIDDEN,
    )


def refuse_to_replace(deployment: Deployment, key: str) -> None:
    """Raises DataProtected when data was encrypted with a key of this name, which KES does not have."""
    if deployment.home.fingerprint(key).exists() or _data_needs(deployment, key):
        raise loss.of(
            deployment, key, ServiceError(f"KES has no key {key!r}", because="key does not exist", status=NOT_FOUND)
        )


def _data_needs(deployment: Deployment, key: str) -> bool:
    """Whether objects are here that only this key opens, as far as the disk tells."""
    if key == deployment.spec.key_name and deployment.holds_data:
        return True
    return bool(drives.usage(deployment.spec, deployment.home, key).objects)
