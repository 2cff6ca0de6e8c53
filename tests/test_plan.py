from __future__ import annotations

from dataclasses import replace

import pytest
from core_fixtures import NOW, SITE, VAULT, World, spec_of, with_image, world
from hypothesis import given
from hypothesis import strategies as st

from kesdeploy import topology
from kesdeploy.pki import Authority
from kesdeploy.plan import Change, Plan, Seen, Verb, diff
from kesdeploy.resources import Container, File, Resource, Secret

CONFIG, CERT, ENV = "file/config", "certificate/leaf", "file/env"
BODY = Container("c", "kes", "image", (), (), "0:0", (), uses=(CONFIG, CERT, ENV), reloads=(CONFIG, CERT))
SERVER = Resource("container/c", BODY, ("pod/pod", CONFIG, CERT, ENV))
SAME = Seen(SERVER.digest)


@pytest.mark.parametrize(
    ("seen", "verb", "reason"),
    [
        (None, Verb.CREATE, "missing"),
        (SAME, Verb.KEEP, ""),
        (Seen("another"), Verb.REPLACE, "its definition changed"),
        (Seen("another", running=False), Verb.REPLACE, "its definition changed"),
        (Seen("another", parts={**SERVER.parts, "image": "1"}), Verb.REPLACE, "its image changed"),
        (
            Seen("another", parts={**SERVER.parts, "command": "1", "entrypoint": "2", "memory": "3"}),
            Verb.REPLACE,
            "its command and memory limit changed",
        ),
        (Seen("another", parts={**SERVER.parts, "stop_timeout": "1"}), Verb.REPLACE, "its definition changed"),
        (replace(SAME, reason="broken"), Verb.REPLACE, "broken"),
        (replace(SAME, running=False), Verb.START, "it does not run"),
        (replace(SAME, running=False, stale=frozenset({ENV})), Verb.START, "it does not run"),
        (replace(SAME, stale=frozenset({CONFIG})), Verb.RELOAD, f"{CONFIG} changed"),
        (replace(SAME, stale=frozenset({ENV})), Verb.RESTART, f"{ENV} changed"),
        (replace(SAME, stale=frozenset({ENV, CERT})), Verb.RESTART, f"{CERT}, {ENV} changed"),
    ],
)
def test_what_becomes_of_a_container(seen, verb, reason):
    change = diff((SERVER,), {} if seen is None else {SERVER.address: seen}).changes[0]
    assert (change.verb, change.reason) == (verb, reason)


@pytest.mark.parametrize(("changed", "verb"), [(CONFIG, Verb.RELOAD), (CERT, Verb.RELOAD), (ENV, Verb.RESTART)])
def test_what_a_change_does_to_its_readers(changed, verb):
    there = {SERVER.address: SAME, changed: Seen(reason="its text differs")}
    plan = diff((Resource(changed, Secret("x", "user")), SERVER), there)
    assert plan.verb(SERVER.address) is verb


def test_a_reader_of_what_was_missing_is_made_again():
    """Its folder may be another one than the one that is mounted."""
    plan = diff((Resource(ENV, Secret("x", "user")), SERVER), {SERVER.address: SAME})
    assert plan.verb(SERVER.address) is Verb.REPLACE


def test_what_cannot_be_asked_now_is_no_news():
    key = Resource("key/k", Secret("x", "user"))
    change = diff((key,), {"key/k": Seen(unasked="KES")}).changes[0]
    assert (change.verb, change.reason) == (Verb.CHECK, "asked once KES runs")


@pytest.mark.parametrize("seen", [None, Seen(reason="its network is gone")])
def test_a_pod_that_is_made_again_takes_its_containers_along(seen):
    pod = Resource("pod/pod", Secret("x", "user"))
    plan = diff((pod, SERVER), {SERVER.address: SAME} | ({"pod/pod": seen} if seen else {}))
    assert plan.changes[1] == Change(Verb.REPLACE, SERVER.address, "its pod is made again", SERVER)


@pytest.mark.parametrize("source", ["bootstrap/vault", "secret/root-password"])
def test_a_file_follows_the_values_that_only_this_run_makes(source):
    file = Resource("file/env", File("p", "t", {}), (source, "identity/minio"))
    resources = (Resource(source, Secret("x", "user")), Resource("identity/minio", Secret("y", "user")), file)
    there = {file.address: Seen(), "identity/minio": Seen()}
    assert diff(resources, there).verb(file.address) is Verb.REPLACE
    assert diff(resources, {**there, source: Seen()}).verb(file.address) is Verb.KEEP


@pytest.mark.parametrize("https", [True, False])
def test_what_a_new_authority_has_to_sign_is_made_again(https):
    """Its key alone was lost: what the old one signed looks right until the new one is there."""
    wanted = topology.desired(spec_of(minio__https=https), SITE)
    there = {resource.address: Seen(resource.digest) for resource in wanted}
    verbs = {
        change.address: change.verb for change in diff(wanted, {**there, topology.CA: Seen(reason="lost")}).pending
    }
    assert {a for a, verb in verbs.items() if verb is Verb.REPLACE} == {
        topology.CA,
        "identity/minio",
        "identity/operator",
        "certificate/kes-server",
        "trust/minio-server",
    } | ({"certificate/minio-server"} if https else set())
    assert (verbs[topology.KES], verbs[topology.MINIO]) == (Verb.RELOAD, Verb.RESTART)


def test_what_is_no_longer_wanted_goes_in_the_reverse_of_its_order():
    plan = diff((), {"pod/pod": Seen(), "container/a": Seen(), "container/b": Seen()})
    assert [(c.verb, c.address) for c in plan.changes] == [
        (Verb.DELETE, "container/b"),
        (Verb.DELETE, "container/a"),
        (Verb.DELETE, "pod/pod"),
    ]
    assert not plan.empty


def test_unknown_digests_are_no_change():
    """A file carries no label: only the engine's things have a recorded digest."""
    resource = Resource("secret/x", Secret("x", "user"))
    assert diff((resource,), {"secret/x": Seen()}).empty


def _done(plan: Plan) -> dict[str, Seen]:
    """What is there once a plan was carried out."""
    return {c.address: Seen(c.resource.digest) for c in plan.changes if c.resource}


WANTED = {
    kms: topology.desired(spec_of(text), SITE) for kms, text in (("fs", "name: fs\nkeystore: {fs: {}}"), ("v", VAULT))
}
ADDRESSES = sorted({r.address for wanted in WANTED.values() for r in wanted} | {"container/other", "bucket/old"})
SEEN = st.builds(
    Seen,
    digest=st.sampled_from(["", "0123456789abcdef"]),
    reason=st.sampled_from(["", "its text differs"]),
    running=st.booleans(),
    stale=st.frozensets(st.sampled_from([topology.KES_CONFIG, topology.MINIO_ENV])),
)


@given(kms=st.sampled_from(sorted(WANTED)), seen=st.dictionaries(st.sampled_from(ADDRESSES), SEEN))
def test_a_plan_ends_in_what_is_wanted_whatever_is_there(kms, seen):
    wanted = WANTED[kms]
    plan = diff(wanted, seen)
    assert diff(wanted, _done(plan)).empty
    assert [c.resource for c in plan.changes if c.resource] == list(wanted)
    assert {c.address for c in plan.changes if c.verb is Verb.DELETE} == set(seen) - {r.address for r in wanted}
    assert all(change.reason for change in plan.pending)


# --- as people read it


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    return world(tmp_path, monkeypatch, spec_of(minio__buckets=[{"name": "photos"}]))


def _text(plan: Plan) -> str:
    return "".join(f"{c.verb.value:<8} {c.address:<40} {c.reason}".rstrip() + "\n" for c in plan.changes)


def _image_changed(here: World) -> None:
    here.images["kes"] = with_image(SITE, "kes", "sha256:" + "9" * 64).images["kes"]


def _another_ca(here: World) -> None:
    """As one that is put back from a copy, after a new one was made."""
    other = Authority.create("kesdeploy fs", NOW)
    here.home.write("ca/ca.key", other.key_pem)
    here.home.write("ca/ca.crt", other.cert_pem)


SITUATIONS = {
    "nothing": lambda _: None,
    "kes-config-changed": lambda here: here.want(kes__log__error="debug"),
    "minio-environment-changed": lambda here: here.want(minio__auto_encryption=False),
    "image-changed": _image_changed,
    "pod-broken": lambda here: here.engine.breaks("minio-kes-fs"),
    "state-lost": lambda here: here.home.state.unlink(),
    "container-stopped": lambda here: here.engine.dies("fs-minio-server"),
    "kes-stopped": lambda here: here.engine.dies("fs-kes-server"),
    "certificates-end-soon": lambda here: here.later(days=380),
    "ca-lost": lambda here: here.home.ca_cert.unlink(),
    "ca-key-lost": lambda here: here.home.ca_key.unlink(),
    "bucket-added": lambda here: here.want(minio__buckets=[{"name": "photos"}, {"name": "own", "key": "own-key"}]),
    "ca-put-back": _another_ca,
    "https-on": lambda here: here.want(minio__https=True),
    "port-changed": lambda here: here.want(network__s3_port=9100),
}


def test_the_first_plan(here, golden):
    golden("plans/first-up.txt", _text(here.plan()))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_later_plans(here, golden, situation):
    here.up()
    SITUATIONS[situation](here)
    golden(f"plans/{situation}.txt", _text(here.plan()))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_one_run_is_enough(here, situation):
    here.up()
    SITUATIONS[situation](here)
    here.up()
    assert here.plan().empty, _text(here.plan())


def test_the_first_plan_with_a_vault(tmp_path, monkeypatch, golden):
    golden("plans/first-up-vault.txt", _text(world(tmp_path, monkeypatch, spec_of(VAULT)).plan()))


def test_a_file_with_a_certificate_follows_the_identity_that_is_renewed():
    """The identity stays the same, its certificate does not: MinIO reads the new one by a signal."""
    desired = topology.desired(spec_of(kes__auth="certificate"), SITE)
    seen = {resource.address: Seen(resource.digest) for resource in desired}
    seen["identity/minio"] = Seen(reason="it expires in 12 days")
    assert [(str(c.verb), c.address, c.reason) for c in diff(desired, seen).pending] == [
        ("replace", "identity/minio", "it expires in 12 days"),
        ("replace", "file/minio-client-crt", "identity/minio changes"),
        ("reload", "container/minio-server", "file/minio-client-crt changed"),
    ]
