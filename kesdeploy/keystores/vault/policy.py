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

Rights = dict[str, set[str]]
Granted = dict[str, tuple[str, ...]]


def kes_policy(spec: Spec, version: str) -> str:
    """HCL: KES's rights on its keys, for an engine of this version. Its place is the namespace of the login."""
    from kesdeploy.render import render

    data, metadata = _folders(spec, version)
    context = {"data": data, "metadata": metadata, "version": version, "transit": transit_paths(spec)}
    return render("vault/kes-policy.hcl.j2", context)


def operator_policy(spec: Spec) -> str:
    from kesdeploy.render import render

    context = {
        "engine": names.fields(spec).engine,
        "kes_role": names.role(spec),
        "operator_role": names.OPERATOR_ROLE,
    }
    return render("vault/operator-policy.hcl.j2", context)


def transit_paths(spec: Spec) -> dict[str, str]:
    """What KES asks of the transit key, and where one looks at it; empty where the spec has none."""
    transit = names.fields(spec).transit
    if transit is None:
        return {}
    places = {"encrypt": "encrypt", "decrypt": "decrypt", "look": "keys"}
    start = f"{names.from_login(spec)}{transit.engine}"
    return {verb: f"{start}/{place}/{transit.key}" for verb, place in places.items()}


def wanted(spec: Spec, version: str) -> tuple[Rights, Rights]:
    """Rights by path, exactly as KES asks: those without which nothing works, and those that help."""
    data, metadata = _folders(spec, version)
    vital, handy = {f"{data}{spec.key_name}": {"create", "read"}}, {f"{metadata}{spec.key_name}": {"delete"}}
    handy[metadata] = {"list"}
    if transit := transit_paths(spec):
        vital |= {transit["encrypt"]: {"update"}, transit["decrypt"]: {"update"}}
        handy[transit["look"]] = {"read"}
    return vital, handy


def _folders(spec: Spec, version: str) -> tuple[str, str]:
    """Where the keys' values lie, and what is known of them, each with a `/` at its end."""
    start = f"{names.from_login(spec)}{names.fields(spec).engine}"
    kinds = ("data", "metadata") if version == "v2" else ("", "")
    values, about = (f"{names.under(start, kind, names.prefix(spec))}/" for kind in kinds)
    return values, about


def check_rights(work: Work, kes: Vault, version: str) -> Granted:
    """KES's rights by path; empty where Vault does not tell them, which only warns.

    ServiceError when KES could not use its keys, with the policy to paste; a warning for what it can do without.
    """
    vital, handy = wanted(work.spec, version)
    try:
        granted = kes.capabilities([*vital, *handy], namespace=_where(work.spec))
    except ServiceError as error:
        if error.status != FORBIDDEN:
            raise
        work.report.warn(f"Vault does not say what KES's role may do ({error.because}); the first key will show it")
        return {}
    if lacking := _lacking(vital, granted):
        raise ServiceError(
            "KES's role may not use its keys in Vault",
            because=f"it lacks {lacking}",
            hint=f"give it this policy:\n{paste(work.spec, version)}",
            status=FORBIDDEN,
        )
    if lacking := _lacking(handy, granted):
        work.report.warn(f"KES will work, but not all of it: its role lacks {lacking} (kesdeploy policy vault)")
    return granted


def _where(spec: Spec) -> str:
    """Where the token is from, which alone may ask what it may: its policy `default` counts in its own namespace."""
    reachable = names.from_login(spec) or names.login_namespace(spec) == names.namespace(spec)
    return names.login_namespace(spec) if reachable else names.namespace(spec)


def _lacking(wanted: Rights, granted: Granted) -> str:
    missing = {path: rights - set(granted[path]) for path, rights in wanted.items() if "root" not in granted[path]}
    return "; ".join(f"{', '.join(sorted(rights))} on {path}" for path, rights in missing.items() if rights)


def paste(spec: Spec, version: str) -> str:
    """The command that writes KES's policy."""
    where = names.flag(names.login_namespace(spec))
    return f"vault policy write{where} {names.role(spec)} - <<'EOF'\n{kes_policy(spec, version)}EOF"
