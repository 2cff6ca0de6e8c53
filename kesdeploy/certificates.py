"""certs: every certificate of a deployment, one brought by the user, and how to trust the root of them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kesdeploy import brought, deploy, opening, pki, services, topology, trusting, validity
from kesdeploy.deployment import clock
from kesdeploy.errors import CertificateError, UsageError
from kesdeploy.files import write_private
from kesdeploy.result import Result
from kesdeploy.topology import leaves

if TYPE_CHECKING:
    from datetime import datetime

    from kesdeploy.deployment import Deployment
    from kesdeploy.home import Home
    from kesdeploy.opening import Wish
    from kesdeploy.report import Reporter
    from kesdeploy.spec import Spec
    from kesdeploy.validity import Held


def listed(wish: Wish) -> Result:
    """Every certificate: what it says, how long it lasts, who uses it and who trusts it."""
    home = opening.existing(wish)
    spec, now = opening.load(wish, home), clock()
    rows = [_row(each, now) for each in validity.held(spec, home)]
    data = {"deployment": home.name, "certificates": rows}
    return Result("certs list", data, problems=validity.problems(spec, home, now))


def shown(wish: Wish, name: str) -> Result:
    """One of them, with its PEM. UsageError when there is none of this name."""
    home = opening.existing(wish)
    known = {each.name: each for each in validity.held(opening.load(wish, home), home)}
    if name not in known:
        raise UsageError(
            f"no certificate {name!r}",
            because=f"there are {', '.join(known)}",
            hint=f"kesdeploy certs list -n {home.name}",
        )
    each = known[name]
    each.info()  # CertificateError for what is none
    pem = each.file.read_bytes()
    data = {"deployment": home.name, **_row(each, clock()), "sha256": pki.fingerprint(pem), "pem": pem.decode()}
    return Result("certs show", data)


def _row(each: Held, now: datetime) -> dict[str, Any]:
    about = {
        "name": each.name,
        "kind": each.kind,
        "yours": each.yours,
        "source": each.source,
        "file": str(each.file),
        "used_by": list(each.used_by),
        "trusted_by": list(each.trusted_by),
    }
    try:
        info = each.info()
        more = len(pki.split(each.file.read_bytes())) - 1
    except CertificateError as error:
        return {**about, "error": error.what}
    return {
        **about,
        "error": "",
        "subject": info.subject,
        "issuer": info.issuer,
        "names": list(info.names),
        "serial": info.serial,
        "not_before": f"{info.not_before:%Y-%m-%d %H:%M:%S}",
        "not_after": f"{info.not_after:%Y-%m-%d %H:%M:%S}",
        "days_left": info.days_left(now),
        "usages": list(info.usages),
        "identity": info.identity if each.kind == "identity" else "",
        "more": more,
    }


# --- import


def bring(wish: Wish, report: Reporter, section: str) -> Result:
    """Take up a certificate of the user's: looked at first, then kept in the spec, served, and seen to be served.

    CertificateError with nothing changed when a client would not take it. What does not run takes it up at its start.
    """
    home = opening.existing(wish)
    with opening.opened(wish, home, report, lock=False) as deployment:
        offer = brought.offered(deployment.spec, home, section)
        assert offer  # the wish names one
        remarks = brought.examined(offer, deployment.spec, deployment.now)
        data = _taken(deployment, offer)
    if data["taken_up"]:
        old = opening.load(replace(wish, overrides={}), home)
        _say_what_restarts(report, old, deployment.spec, section)
        done = deploy.up(wish, report)
    else:
        for remark in remarks:
            report.warn(remark)
        done = deploy.keep(wish, report)
    told: dict[str, Any] = {key: done.data.get(key, []) for key in ("changes", "checks")}
    return replace(done, command="certs import", data={**data, **told})


def _taken(deployment: Deployment, offer: brought.Offer) -> dict[str, Any]:
    new = pki.describe(pki.server_pair(offer.cert, offer.key).cert_pem)
    before = ""
    with suppress(CertificateError):
        before = pki.describe(deployment.home.read(f"certs/{offer.part}/public.crt") or b"").serial
    return {
        "deployment": deployment.name,
        "part": offer.part,
        "serial": new.serial,
        "before": before,
        "names": list(new.names),
        "not_after": f"{new.not_after:%Y-%m-%d}",
        "days_left": new.days_left(deployment.now),
        "called": list(leaves.called(deployment.spec, offer.part)),
        "source": offer.given.cert,
        "taken_up": any(container.running for container in deployment.engine.containers(deployment.labels)),
    }


def _say_what_restarts(report: Reporter, old: Spec, new: Spec, section: str) -> None:
    """MinIO reads whom it trusts and what it is called at its start alone; a new certificate it takes up by itself."""
    if section == "minio" and not old.https:
        report.note("S3 speaks HTTPS from now on: MinIO is restarted once")
    elif topology.console_url(old) != topology.console_url(new):
        report.note(f"S3 is called {topology.s3_host(new)} from now on: MinIO is restarted once")
    elif leaves.trusted(old, leaves.KES_PART) != leaves.trusted(new, leaves.KES_PART):
        report.note("MinIO has to trust another root: it is restarted once")


# --- trust


def trust(wish: Wish, out: Path | None, *, force: bool = False) -> Result:
    """The root that clients have to trust, and how; `out`: a file to write it to."""
    home = opening.existing(wish)
    spec = opening.load(wish, home)
    target = _target(spec, home)
    if target is None:
        raise UsageError(
            "there is nothing to trust",
            because="the certificates here are of public authorities: there is no CA to trust",
            hint=f"kesdeploy certs list -n {home.name}",
        )
    pem = b"".join(pki.split(Path(target.ca).read_bytes()))
    if out:
        _write(out, pem, force=force)
        target = replace(target, ca=str(out.absolute()))
    data = {
        "deployment": home.name,
        "ca": target.ca,
        "sha256": pki.fingerprint(pem),
        "for": target.url,
        "https": spec.https,
        "out": str(out or ""),
        "ways": [asdict(way) for way in trusting.ways(target)],
    }
    return Result("certs trust", data)


def _target(spec: Spec, home: Home) -> trusting.Target | None:
    """S3's root, else KES's; None where both are public, or others'."""
    if (ca := services.s3_ca(spec, home)) and _there(ca, home):
        return trusting.Target(home.name, str(ca), topology.s3_url(spec))
    if services.elsewhere(spec) or (ca := services.kes_ca(spec, home)) is None or not _there(ca, home):
        return None
    cert, key = home.identity("operator")
    return trusting.Target(home.name, str(ca), topology.kes_url(spec), (str(cert), str(key)))


def _there(ca: Path, home: Home) -> bool:
    if not ca.exists():
        raise UsageError(f"{ca} is missing", hint=f"kesdeploy up -n {home.name}")
    return True


def _write(out: Path, pem: bytes, *, force: bool) -> None:
    if out.exists() and not force and out.read_bytes() != pem:
        raise UsageError(f"{out} is there already", hint="--out OTHER, or --force to replace it")
    write_private(out.absolute(), pem, 0o644)
