"""Which deployment a command means, and everything it needs to work on it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any

from kesdeploy import admitted, explain, given, keystores, ports, protection, spec, topology, yamltext
from kesdeploy.deployment import FOLDER, Deployment, clock
from kesdeploy.engines.choose import open_engine
from kesdeploy.engines.elsewhere import refuse_another, refuse_elsewhere, refuse_left_running
from kesdeploy.errors import DataProtected, EngineError, ServiceError, UsageError, in_words
from kesdeploy.home import PREFIX, Home, parent
from kesdeploy.state import StateFile, locked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kesdeploy.engines import Container, Engine, EngineInfo, Pod
    from kesdeploy.report import Reporter
    from kesdeploy.spec import Spec
    from kesdeploy.state import State


@dataclass(frozen=True)
class Wish:
    """What a command line says. `overrides` are dotted spec paths; `timeout` is in seconds, for each single wait."""

    command: str
    name: str = ""
    config: Path | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 120
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Typed or piped, by their names in `secrets/`."""
    adopt_key: bool = False
    """Whether a key that somebody else made may become the deployment's."""
    new_keys: bool = False
    acknowledge: bool = False
    """Whether the user knows of the advisories against the images."""
    typed: tuple[str, ...] = ()
    """The command's own words, for a hint that is a whole command."""

    @property
    def kms(self) -> str:
        return str(next((p.split(".")[1] for p in self.overrides if p.startswith("keystore.")), ""))


def which(wish: Wish) -> Home:
    """The deployment that is meant: the one named, else the only one there is. UsageError when that is not clear."""
    if wish.name:
        return _home(wish.name)
    there = Home.all()
    if len(there) == 1:
        return there[0]
    if not there:
        raise UsageError(f"there is no deployment in {parent()}", hint="kesdeploy up --kms fs")
    names = ", ".join(home.name for home in there)
    raise UsageError("more than one deployment is here: which?", because=names, hint=f"-n {there[0].name}")


def _home(name: str) -> Home:
    """The folder of a name; UsageError for one that no deployment can have (it would lead to another folder)."""
    try:
        return Home.of(spec.deployment_name(name))
    except ValueError as error:
        raise UsageError(f"no deployment is called {name!r}", because=str(error), hint="kesdeploy list") from None


def existing(wish: Wish) -> Home:
    """Like `which`, but the deployment must exist."""
    home = which(wish)
    if not home.ours:
        names = ", ".join(h.name for h in Home.all()) or "none"
        raise UsageError(f"there is no deployment {home.name!r}", because=f"here: {names}", hint="kesdeploy list")
    if not (home.spec.exists() or home.state.exists()):
        hint = f"kesdeploy up -n {home.name} --config FILE (what `init` or `import` wrote)"
        raise UsageError(f"{home.name!r} was prepared, and is not up yet", hint=hint)
    return home


def to_create(wish: Wish) -> Home:
    """The deployment that `up` means: a new one is called after its KMS when it is given no name."""
    if wish.name:
        return Home.of(wish.name)
    body = tree(wish, Home.of(""))[0] if wish.config else {}
    written = body.get("keystore")
    kind = next(iter(written), "") if isinstance(written, dict) else ""
    name = body.get("name") or wish.kms or kind
    return Home.of(str(name)) if name else which(wish)


def tree(wish: Wish, home: Home) -> tuple[dict[str, Any], str]:
    """The spec's mapping as written so far, and where it stands: `--config`, else the deployment's own."""
    path = wish.config or home.spec
    if not path.exists():
        if wish.config:
            raise UsageError(f"cannot read {path}", because="there is no such file", hint="kesdeploy init writes one")
        return {}, "the command line"
    return yamltext.parse(text(path), where=str(path)), str(path)


def text(path: Path) -> str:
    """Of a spec. UsageError for what cannot be read, or not twice."""
    if not path.is_file() and not path.is_dir():
        hint = "put it into one first: … > mine.yaml, then --config mine.yaml"
        raise UsageError(f"cannot read {path}", because="it is no file, and a spec is read more than once", hint=hint)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {path}", because=in_words(error), hint="save it in UTF-8") from error
    except OSError as error:
        raise UsageError(f"cannot read {path}", because=in_words(error), hint=f"ls -ld {path}") from error


def layers(wish: Wish, home: Home) -> tuple[dict[str, Any], dict[str, Any], str]:
    """What the file says, what the command line lays over it, and where the file stands."""
    body, where = tree(wish, home)
    if not wish.config:
        refuse_a_renamed_folder(home, body)
    written, over = body.get("keystore") or {}, dict(wish.overrides)
    if wish.kms in written:
        # `--kms` names what is there already: it must not empty the section.
        over = {path: value for path, value in over.items() if path != f"keystore.{wish.kms}"}
    elif wish.kms:
        # Another KMS takes the place of the one in the file; data is guarded elsewhere.
        body["keystore"] = {}
    body.setdefault("name", home.name)
    if added := over.pop("minio.buckets+", None):
        over["minio.buckets"] = _with_buckets(
            over.get("minio.buckets", (body.get("minio") or {}).get("buckets")), added
        )
    _refuse_no_keystore(home, body, over)
    over = admitted.laid_over({**over, "name": home.name} if wish.name else over)
    return admitted.resolved(body), over, where


def refuse_a_renamed_folder(home: Home, body: Mapping[str, Any]) -> None:
    """Mounts follow a folder: the containers of its old name may still write into it."""
    old = body.get("name")
    if isinstance(old, str) and old != home.name and home.ours:
        raise DataProtected(
            f"{home.root} is the folder of the deployment {old!r}",
            because="a second MinIO over the same data would damage it",
            hint=f"mv {home.root} {home.root.with_name(f'{PREFIX}{old}')}",
        )


def _with_buckets(there: Any, added: list[dict[str, str]]) -> Any:
    """What is there stays as it is, with its own keys: `--bucket` adds."""
    if there is not None and not isinstance(there, list):
        return there
    known = [bucket.get("name") for bucket in there or [] if isinstance(bucket, dict)]
    return [*(there or []), *(bucket for bucket in added if bucket["name"] not in known)]


def _refuse_no_keystore(home: Home, body: Mapping[str, Any], over: Mapping[str, Any]) -> None:
    given = over.get("keystore", body.get("keystore"))
    if home.ours and not given and not any(path.startswith("keystore.") for path in over):
        protection.refuse_no_keystore(home)


def load(wish: Wish, home: Home) -> Spec:
    """The deployment's Spec: flags over file over defaults."""
    body, over, where = layers(wish, home)
    if wish.overrides and home.spec.exists():
        where = f"{where} with these flags"
    named = "key_name" in {**body, **over}
    wanted = spec.load_tree(body, over, keystores.FIELDS, where=where)
    admitted.refuse_ours(wanted, home)
    if named or not keystores.of(wanted).shared(wanted.keystore):
        return wanted
    return wanted.model_copy(update={"key_name": keystores.own_key_name(wanted.name, wanted.kes.key_prefix)})


@contextmanager
def opened(wish: Wish, home: Home, report: Reporter, *, lock: bool = True) -> Iterator[Deployment]:
    """A deployment with its engine, held for one command. `lock` for commands that write."""
    wanted = load(wish, home)
    if not lock:
        with _engine(wish, wanted, home) as (engine, state):
            yield _deployment(wish, wanted, home, engine, state, report)
        return
    refuse_foreign_folder(home)
    with (
        locked(home, timeout=wish.timeout, report=report, command=f"kesdeploy {wish.command}"),
        _engine(wish, wanted, home) as (engine, state),
    ):
        yield _deployment(wish, wanted, home, engine, state, report)


@contextmanager
def _engine(wish: Wish, wanted: Spec, home: Home) -> Iterator[tuple[Engine, StateFile]]:
    state = StateFile.open(home)
    engine = open_engine(wanted.engine, state.value.engine or None)
    try:
        refuse_wrong_engine(home, engine.info(), state.value, meant="engine" in wish.overrides)
        _refuse_two_at_once(home, engine, state.value)
        yield engine, state
    except (EngineError, ServiceError) as error:
        # What dies while a command works ends it somewhere that knows no way on.
        if not error.hint:
            hint = f"kesdeploy status -n {home.name}"
            error.because, error.hint = explain.clearer(error.because, hint, home.name)
        raise
    finally:
        engine.close()


def refuse_wrong_engine(home: Home, info: EngineInfo, state: State, *, meant: bool = False) -> None:
    """Raises EngineError for one that the deployment cannot live on, or does not. `meant`: it is to move there."""
    refuse_elsewhere(info)
    refuse_left_running(info, state.runtime, topology.container_names(home.name), name=home.name)
    if not meant:
        refuse_another(info, state.engine_id, name=home.name, reason=state.engine_reason)


def _refuse_two_at_once(home: Home, engine: Engine, state: State) -> None:
    """Raises DataProtected where it is to move to another engine while the one before still runs the servers."""
    info = engine.info()
    moves = state.engine_id and info.identity not in ("", state.engine_id)
    if moves and (answering := _answering(home, engine)):
        raise DataProtected(
            f"{home.name} still runs on another {info.name}",
            because=f"port {answering} answers: a second MinIO would write to the same data",
            hint=f"there (DOCKER_HOST, DOCKER_CONTEXT): kesdeploy down -n {home.name}; then this command again; "
            "or, where another program has that port by now, end that",
        )


def _answering(home: Home, engine: Engine) -> str:
    """Those ports of the deployment as it was that somebody holds, and not this engine."""
    was = load(Wish("status", home.name), home)
    numbers = topology.published(was, keystores.of(was)).values()
    bind = was.network.bind
    held = [n for n in numbers if not ports.is_free(bind, n)]
    theirs = engine.publishers(held) if held else {}
    return ", ".join(str(n) for n in held if n not in theirs)


def _deployment(wish: Wish, wanted: Spec, home: Home, engine: Engine, state: StateFile, report: Reporter) -> Deployment:
    told = {"adopt_key": wish.adopt_key, "new_keys": wish.new_keys}
    return Deployment(wanted, home, engine, state, report, wish.timeout, clock(), Event(), **told)


def keep_secrets(wish: Wish, home: Home) -> None:
    """Put what was typed or piped into `secrets/`, and see that what a flag points at can be read."""
    if source := wish.overrides.get("minio.root_password"):
        given.read("root-password", str(source))
    for name, value in wish.secrets.items():
        given.check(name, value)
    if wish.secrets:
        refuse_foreign_folder(home)
        home.prepare()
    for name, value in wish.secrets.items():
        if home.read_secret(name) != value:
            home.write_secret(name, value)


def refuse_foreign_folder(home: Home) -> None:
    """The public tutorial uses the same names. What is not ours is never touched."""
    if home.root.is_symlink():
        raise DataProtected(
            f"{home.root} is a symbolic link", hint="KESDEPLOY_HOME=DIR says where deployments are to lie"
        )
    if home.exists and not home.ours and not home.hollow:
        raise DataProtected(
            f"{home.root} is here already, and kesdeploy did not make it",
            because="it may hold encrypted data, certificates and keys of another setup",
            hint=f"use another name: -n {home.name}2",
        )


def refuse_foreign_names(deployment: Deployment) -> None:
    """A pod or container of our name without our marks belongs to somebody else."""
    name, engine = deployment.name, deployment.engine
    if engine.pods(deployment.labels):
        return
    parts = ("kes-server", "minio-server", "vault")
    there: list[Pod | Container | None] = [engine.pod(topology.pod_name(name))]
    there += [engine.container(topology.container_name(name, part)) for part in parts]
    for thing in there:
        if thing and not deployment.labels.items() <= thing.labels.items():
            raise _foreign(thing, name)


def _foreign(thing: Pod | Container, name: str) -> DataProtected:
    folder = thing.labels.get(FOLDER)
    whose = f"it is that of {folder}" if folder else "kesdeploy did not make it: it does not carry its labels"
    return DataProtected(f"{thing.name} is there already", because=whose, hint=f"use another name: -n {name}2")
