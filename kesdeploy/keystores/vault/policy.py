"""What KES may do in Vault: the policy that grants it, and the question whether it is granted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.errors import ServiceError
from kesdeploy.keystores.vault import names

if TYPE_CHECKING:
    from kesdeploy.clients.vault import Vault
    from kesdeploy.keystores.words import Work
    from kesdeploy.spec import Spec

FORBIDDEN = 403


def kes_policy(spec: Spec, version: str) -> str:
    """HCL: KES's rights on its keys, for an engine of this version."""
    from kesdeploy.render import render

    context = {"engine": names.fields(spec).engine, "prefix": names.prefix(spec), "version": version}
    return render("vault/kes-policy.hcl.j2", context)


def operator_policy(spec: Spec) -> str:
    from kesdeploy.render import render

    context = {
        "engine": names.fields(spec).engine,
        "kes_role": names.role(spec),
        "operator_role": names.OPERATOR_ROLE,
    }
    return render("vault/operator-policy.hcl.j2", context)


def wanted(spec: Spec, version: str) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Rights by path, exactly as KES asks: those without which nothing works, and those to list and delete keys."""
    engine, prefix = names.fields(spec).engine, names.prefix(spec)
    data, metadata = (f"{engine}/data", f"{engine}/metadata") if version == "v2" else (engine, engine)
    key = spec.key_name
    vital = {f"{data}/{prefix}/{key}": {"create", "read"}}
    handy = {f"{metadata}/{prefix}/{key}": {"delete"}, f"{metadata}/{prefix}/": {"list"}}
    return vital, handy


def check_rights(work: Work, kes: Vault, version: str) -> None:
    """ServiceError when KES could not use its keys, with the policy to paste; a warning for what it can do without."""
    vital, handy = wanted(work.spec, version)
    try:
        granted = kes.capabilities([*vital, *handy])
    except ServiceError as error:
        if error.status != FORBIDDEN:
            raise
        work.report.warn(f"Vault does not say what KES's AppRole may do ({error.because}); the first key will show it")
        return
    if lacking := _lacking(vital, granted):
        raise ServiceError(
            "KES's AppRole may not use its keys in Vault",
            because=f"it lacks {lacking}",
            hint=_paste(work.spec, version),
            status=FORBIDDEN,
        )
    if lacking := _lacking(handy, granted):
        work.report.warn(f"KES will not be able to list or delete keys: its AppRole lacks {lacking}")


def _lacking(wanted: dict[str, set[str]], granted: dict[str, tuple[str, ...]]) -> str:
    missing = {path: rights - set(granted[path]) for path, rights in wanted.items() if "root" not in granted[path]}
    return "; ".join(f"{', '.join(sorted(rights))} on {path}" for path, rights in missing.items() if rights)


def _paste(spec: Spec, version: str) -> str:
    text = kes_policy(spec, version)
    return f"give it this policy:\nvault policy write {names.role(spec)} - <<'EOF'\n{text}EOF"
