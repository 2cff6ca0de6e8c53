"""Where commands ask the user, or say what is missing when nobody can be asked."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kesdeploy import admitted, keystores, opening
from kesdeploy.deployment import clock
from kesdeploy.errors import DataProtected, Interrupted, KesdeployError, SpecError, UsageError
from kesdeploy.files import write_private
from kesdeploy.home import Home
from kesdeploy.opening import Wish
from kesdeploy.result import Result
from kesdeploy.spec import deployment_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kesdeploy.console import Console
    from kesdeploy.recredential import Chosen
    from kesdeploy.spec import Spec

# What a client that never tries again sees of a restart.
COSTS = {
    "MinIO": "no S3 for about a second",
    "KES": "requests of that second may be answered late, or with an error 500",
}


def completed(wish: Wish, console: Console, *, ask: bool, always: bool = False) -> Wish:
    """The wish with everything that its spec still lacks: asked for, or a SpecError that lists it.

    always: ask although nothing is lacking; the user came for the questions.
    """
    from kesdeploy import lacking

    home, body = _tree(wish, fresh=always)
    stored = _stored(home) | wish.secrets.keys()
    problems = lacking.missing(body, keystores.KEYSTORES, stored)
    if not problems and not (ask and always):
        return wish
    if not ask:
        raise SpecError("something is missing", found=problems, hint="kesdeploy init asks for it, on a terminal")
    from kesdeploy.wizard import ask_spec

    prove = partial(_prove, home, console, wish.timeout)
    answered, secrets = ask_spec(body, keystores.KEYSTORES, console, secrets_stored=stored, network=always, prove=prove)
    for value in secrets.values():
        console.hide(value)
    overrides = {key: value for key, value in answered.items() if key != "version"}
    return replace(wish, name=str(answered["name"]), overrides=overrides, secrets={**wish.secrets, **secrets})


@dataclass(frozen=True)
class _Typed(Home):
    """A deployment's folder in which the typed secrets seem to lie already."""

    typed: Mapping[str, str] = field(default_factory=dict, repr=False)

    def read_secret(self, name: str) -> str | None:
        return self.typed.get(name) or super().read_secret(name)


def _prove(
    home: Home | None, console: Console, timeout: float, spec: Spec, secrets: Mapping[str, str]
) -> KesdeployError | None:
    """What is wrong with these answers, asked of the KMS itself. Nothing is written, here or there."""
    root = (home or Home.of(spec.name)).root
    work = keystores.Work(spec, _Typed(spec.name, root, secrets), clock(), console, timeout)
    try:
        keystores.of(spec).preflight(work)
    except KesdeployError as error:
        return error
    return None


def _tree(wish: Wish, *, fresh: bool) -> tuple[Home | None, dict[str, Any]]:
    """What the spec says so far, flags laid over it; `fresh`: whatever deployments are here."""
    from kesdeploy import lacking

    try:
        home: Home | None = opening.to_create(wish)
    except UsageError:
        if wish.config or (Home.all() and not fresh):
            raise
        home = None
    body, over, _ = opening.layers(wish, home) if home and not fresh else ({}, wish.overrides, "")
    for path, value in over.items():
        body = lacking.put(body, path, value)
    return home, body


def _stored(home: Home | None) -> frozenset[str]:
    folder = home.path("secrets") if home else None
    return frozenset(path.name for path in folder.iterdir()) if folder and folder.is_dir() else frozenset()


def write_spec(flags: dict[str, Any], out: Path, console: Console, *, ask: bool, force: bool) -> Result:
    """Ask, and write a spec; secrets that were typed wait in the deployment's folder."""
    from kesdeploy import lacking

    if out.exists() and not force:
        raise UsageError(f"{out} is there already", hint="kesdeploy init --out OTHER, or --force to replace it")
    flags = admitted.laid_over(flags)
    wish = completed(Wish("init", str(flags.get("name", "")), overrides=flags), console, ask=ask, always=True)
    body: dict[str, Any] = {}
    for path, value in wish.overrides.items():
        body = lacking.put(body, path, value)
    body.setdefault("name", wish.name or wish.kms)
    spec = lacking.loaded(body, keystores.KEYSTORES)
    opening.keep_secrets(wish, Home.of(spec.name))
    write_private(out, spec.text().encode(), 0o644)
    return Result("init", {"file": str(out), "deployment": spec.name})


def import_files(files: list[Path], out: Path, name: str, *, force: bool) -> Result:
    """Write what somebody's files say as a spec, and keep the secrets that stood in them."""
    import yaml

    from kesdeploy.importing import imported

    found = imported(files, name)
    if out.exists() and not force:
        raise UsageError(f"{out} is there already", hint="kesdeploy import --out OTHER FILE, or --force to replace it")
    home = Home.of(deployment_name(str(found.tree["name"])))
    _refuse_used(home, force=force)
    opening.keep_secrets(Wish("import", home.name, secrets=found.secrets), home)
    write_private(out, yaml.safe_dump(found.tree, sort_keys=False, allow_unicode=True).encode(), 0o644)
    data = {
        "file": str(out),
        "deployment": home.name,
        "folder": str(home.root),
        "secrets": sorted(found.secrets),
        "remarks": [asdict(remark) for remark in found.remarks],
        "missing": list(found.missing),
    }
    return Result("import", data)


def _refuse_used(home: Home, *, force: bool) -> None:
    """What was only prepared may be imported again: secrets that wait there are replaced when that is asked for."""
    if not home.ours:
        return
    if home.spec.exists() or home.state.exists():
        raise UsageError(
            f"there is a deployment {home.name!r} already", hint=f"the same command with another name: -n {home.name}2"
        )
    if not force:
        raise UsageError(
            f"{home.name!r} was prepared already, and is not up yet",
            because=f"secrets of an earlier import or init wait in {home.path('secrets')}",
            hint=f"the same command with --force to replace them, or with another name: -n {home.name}2",
        )


def write_files(result: Result, out: Path) -> Result:
    """Rendered files below `out`, mode 0600; the result then names them, without their text."""
    for path, text in result.data["files"].items():
        write_private(out / path, text.encode())
    return replace(result, data={**result.data, "files": {str(out / path): "" for path in result.data["files"]}})


def confirm_ca(wish: Wish, console: Console, *, yes: bool) -> None:
    """Say what a new CA costs, and have it agreed to. UsageError when nobody can be asked."""
    home = opening.existing(wish)
    console.note("a new CA: MinIO is restarted once, without S3 for a second or two")
    console.note(f"clients outside that trust {home.ca_cert} need the new one afterwards")
    if yes:
        return
    if not console.interactive:
        raise UsageError("a new CA restarts MinIO", hint=f"kesdeploy rotate-certs --ca --yes -n {home.name}")
    if not console.confirm("Go on?"):
        raise Interrupted("not confirmed", hint="nothing was changed")


def confirm_restarts(wish: Wish, console: Console, chosen: Chosen, *, yes: bool) -> None:
    """Say what new credentials cost, and have a restart agreed to. UsageError when nobody can be asked."""
    home = opening.existing(wish)
    restarts = chosen.restarts(opening.load(wish, home))
    if chosen.root:
        console.note(
            "whoever logs in as root needs the new password from then on; users and access keys stay as they are"
        )
    if not restarts:
        return
    console.note(f"{restarts[0]} is restarted once: {COSTS[restarts[0]]}")
    console.note("clients with the default retries of their SDK lose no request")
    if yes:
        return
    if not console.interactive:
        raise UsageError(
            f"new credentials restart {restarts[0]}", hint=f"the same command with --yes (deployment {home.name})"
        )
    if not console.confirm("Go on?"):
        raise Interrupted("not confirmed", hint="nothing was changed")


def confirm_destroy(
    wish: Wish, console: Console, *, yes: bool, save: Path | None, remote_keys: Sequence[str] = ()
) -> None:
    """Say in numbers what is lost, and have the name typed. DataProtected when nobody can be asked."""
    from kesdeploy import teardown

    home = opening.which(wish)
    if save:
        teardown.refuse_archive(home, save)
    told = _told_lost(home, save)
    if not yes and not console.interactive:
        raise DataProtected(f"destroy needs --yes: {told}", hint=destroying(home.name, save, remote_keys))
    if home.ours:
        console.note(told)
    if not yes:
        save = save or _offered(home, console)
        if console.ask(f"Type {home.name} to destroy it") != home.name:
            raise DataProtected("another name was typed; nothing was destroyed")
    if save:
        teardown.save(home, save)
        console.note(f"{save} holds what is needed to read the data again; the data itself is not in it")


def _told_lost(home: Home, save: Path | None) -> str:
    from kesdeploy import teardown

    lost = teardown.losses(home)
    objects, keys = _counted(lost["objects"], "object"), _counted(lost["keys"], "key")
    if save:
        return f"to be lost for ever with {home.name!r}: {objects} ({lost['bytes']} bytes); {keys} will be in {save}"
    return f"to be lost for ever with {home.name!r}: {objects} ({lost['bytes']} bytes) and {keys}"


def _offered(home: Home, console: Console) -> Path | None:
    """Where keys and secrets are to be saved before, when they are."""
    from kesdeploy import teardown

    if not console.confirm("Save keys and secrets as a tar first?", default=True):
        return None
    archive = Path.cwd() / f"{home.root.name}-keys.tar.gz"
    teardown.refuse_archive(home, archive)
    return archive


def destroying(name: str, save: Path | None, keys: Sequence[str] = (), *, remote: bool = False) -> str:
    """The `destroy` that was asked for, with --yes: what it was to keep is kept, what it was to delete goes."""
    saving = ("--save", str(save)) if save else ()
    return shlex.join(
        (
            "kesdeploy",
            "destroy",
            "-n",
            name,
            *saving,
            "--yes",
            *(["--delete-remote-keys"] * (remote or bool(keys))),
            *keys,
        )
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
