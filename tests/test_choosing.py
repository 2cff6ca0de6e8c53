from __future__ import annotations

from dataclasses import replace

import pytest
from core_fixtures import VAULT, World, spec_of, world

from kesdeploy import __version__, choosing, protection
from kesdeploy.errors import DataProtected, ImageError, UsageError
from kesdeploy.images import Chosen

OLD, NEW = "2024-01-11T13-09-29Z", "2025-03-12T09-35-18Z"


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.command_line(monkeypatch)
    made.home.prepare()
    return made


def _asked(here: World, monkeypatch) -> list[dict]:
    asked: list[dict] = []
    choose = here._choose
    monkeypatch.setattr(
        "kesdeploy.images.choose", lambda engine, **wish: (asked.append(wish), choose(engine, **wish))[1]
    )
    return asked


def test_what_is_chosen_is_recorded_and_not_asked_again(here, monkeypatch):
    asked = _asked(here, monkeypatch)
    first = choosing.choose(here.deployment)
    assert choosing.choose(here.deployment) == first
    assert len(asked) == 1
    state = here.deployment.state.value
    assert (state.images, state.sandbox, state.kesdeploy) == (first, False, __version__)


@pytest.mark.parametrize("why", ["pull always", "image gone", "new kesdeploy", "another reference", "more of them"])
def test_what_asks_again(here, monkeypatch, why):
    choosing.choose(here.deployment)
    asked = _asked(here, monkeypatch)
    match why:
        case "pull always":
            here.want(images__pull="always")
        case "image gone":
            here.engine.known.clear()
        case "new kesdeploy":
            monkeypatch.setattr(choosing, "__version__", "99")
        case "another reference":
            here.want(images__kes=f"example.org/other:{NEW}")
        case "more of them":
            here.spec = spec_of(VAULT.replace("name: vault", "name: fs"))
    choosing.choose(here.deployment)
    assert len(asked) == 1


def test_a_reference_of_the_users_goes_to_its_component_alone(here, monkeypatch):
    asked = _asked(here, monkeypatch)
    here.want(images__kes="example.org/k:1", images__vault="example.org/v:1")
    choosing.choose(here.deployment)
    assert asked[0]["overrides"] == {"kes": "example.org/k:1", "openbao": "example.org/v:1", "vault": "example.org/v:1"}
    assert asked[0]["components"] == ("kes", "minio")


def _gives(monkeypatch, *digests: str) -> None:
    """A registry whose tag stands for another image each time."""
    left = list(digests)

    def choose(_, *, overrides, **__):
        digest = left.pop(0)
        given = {name: overrides.get(name, f"r.example/{name}:7").partition("@")[0] for name in ("kes", "minio")}
        return {
            name: Chosen(name, reference, f"id-{name}-{digest}", digest, ("/x",), "7", sandbox=False)
            for name, reference in given.items()
        }

    monkeypatch.setattr("kesdeploy.images.choose", choose)


def test_other_bytes_under_the_same_name_are_refused(here, monkeypatch):
    first, second = (f"sha256:{n:064}" for n in (1, 2))
    _gives(monkeypatch, first, second)
    kept = choosing.choose(here.deployment)
    here.want(images__pull="always")
    with pytest.raises(ImageError, match=r"r\.example/kes:7 is not the image that this deployment ran") as error:
        choosing.choose(here.deployment)
    assert error.value.because.startswith(f"it was {first}, and is {second} now")
    assert error.value.hint.endswith(f"kesdeploy up --set images.kes=r.example/kes:7@{second}")
    assert here.deployment.state.value.images == kept


def test_other_bytes_that_the_user_names_are_taken(here, monkeypatch):
    first, second = (f"sha256:{n:064}" for n in (1, 2))
    _gives(monkeypatch, first, second)
    choosing.choose(here.deployment)
    here.want(images__kes=f"r.example/kes:7@{second}", images__minio="elsewhere.example/minio:7")
    assert {pinned.digest for pinned in choosing.choose(here.deployment).values()} == {second}
    here.engine.known |= {f"id-{name}-{second}": None or here.engine for name in ("kes", "minio")}
    assert choosing.choose(here.deployment), "it is settled: nobody is asked again"


def test_the_environment_names_an_image_where_the_spec_does_not(here, monkeypatch):
    choosing.choose(here.deployment)
    asked = _asked(here, monkeypatch)
    monkeypatch.setenv("KESDEPLOY_IMAGE_KES", f"example.org/mine:{NEW}")
    assert choosing.foreseen(here.deployment)["kes"].reference == f"example.org/mine:{NEW}"
    choosing.choose(here.deployment)
    assert len(asked) == 1
    here.want(images__kes=f"example.org/kes:{NEW}")
    assert choosing.foreseen(here.deployment)["kes"].reference == f"example.org/kes:{NEW}"


def test_what_runs_is_looked_at_without_the_users_file(here, monkeypatch):
    """`verify` and what rotates work although the file, or the environment, is broken."""
    first = choosing.choose(here.deployment)
    monkeypatch.setenv("KESDEPLOY_IMAGE_KES", "https://no")
    assert choosing.recorded(here.deployment) == first
    with pytest.raises(UsageError):
        choosing.foreseen(here.deployment)


def test_never_back_to_what_cannot_read_the_keys(here):
    choosing.choose(here.deployment)
    here.want(images__kes=f"example.org/kes:{OLD}")
    for refused in (choosing.choose, choosing.refuse):
        with pytest.raises(DataProtected, match=f"KES {OLD} cannot read the keys and the data") as raised:
            refused(here.deployment)
        assert NEW in raised.value.hint
    assert here.deployment.state.value.images["kes"].version == NEW


def test_back_to_what_can_is_fine(here):
    choosing.choose(here.deployment)
    here.want(images__kes="example.org/kes:2024-11-25T13-44-31Z")
    choosing.refuse(here.deployment)
    assert choosing.choose(here.deployment)["kes"].version == "2024-11-25T13-44-31Z"


def test_no_other_component_goes_back(here):
    choosing.choose(here.deployment)
    here.want(images__minio="example.org/minio:RELEASE.2025-03-01T00-00-00Z")
    for refused in (choosing.choose, choosing.refuse):
        with pytest.raises(DataProtected, match="older than"):
            refused(here.deployment)


def test_what_wrote_the_keys_is_known_without_the_state(here):
    """A fingerprint that an older KES made is made again once a newer one runs: it then tells."""
    here.version = OLD
    choosing.choose(here.deployment)
    here.up()
    here.want(images__kes=f"example.org/kes:{NEW}")
    choosing.choose(here.deployment)
    fingerprint = ("replace", "fingerprint/minio-backend-default-key", f"KES {NEW} writes what older ones cannot read")
    assert fingerprint in [(str(c.verb), c.address, c.reason) for c in here.up().pending]
    assert not any(change.address.startswith("fingerprint/") for change in here.up().pending)
    here.home.state.unlink()
    here.want(images__kes=f"example.org/kes:{OLD}")
    with pytest.raises(DataProtected, match="cannot read the keys"):
        choosing.choose(here.deployment)


def test_a_fingerprint_that_no_longer_opens_is_not_made_again(here):
    here.version = OLD
    choosing.choose(here.deployment)
    here.up()
    here.kes.keys["minio-backend-default-key"] = b"another"
    here.want(images__kes=f"example.org/kes:{NEW}")
    choosing.choose(here.deployment)
    with pytest.raises(DataProtected, match="another key of the name"):
        here.up()


def test_what_is_foreseen_has_the_tag_of_the_reference(here):
    here.want(images__kes=f"example.org/kes:{OLD}")
    assert choosing.foreseen(here.deployment)["kes"].version == OLD


def test_forwards_is_fine(here):
    here.version = OLD
    choosing.choose(here.deployment)
    here.want(images__kes=f"example.org/kes:{NEW}")
    assert choosing.choose(here.deployment)["kes"].version == NEW


@pytest.mark.parametrize(("first", "then"), [("sandbox", "release"), ("release", "sandbox")])
@pytest.mark.parametrize("data", [True, False])
def test_sandbox_and_real_data_never_mix(here, first, then, data):
    here.want(images__source=first)
    choosing.choose(here.deployment)
    here.want(images__source=then)
    if not data:
        choosing.choose(here.deployment)
        return
    here.home.make("minio")
    with pytest.raises(DataProtected, match="must not touch") as raised:
        choosing.choose(here.deployment)
    assert "-n fs2" in raised.value.hint


@pytest.mark.parametrize(("first", "then"), [("sandbox", "release"), ("release", "sandbox")])
def test_what_wrote_the_data_is_known_without_the_state(here, first, then):
    here.want(images__source=first)
    choosing.choose(here.deployment)
    here.up()
    here.home.state.unlink()
    here.want(images__source=then)
    with pytest.raises(DataProtected, match="must not touch"):
        choosing.choose(here.deployment)
    here.want(images__source=first)
    choosing.choose(here.deployment)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_damaged_fingerprint_says_nothing_of_the_images(here, text):
    here.home.write_secret("fingerprint-k.json", text)
    assert protection.sandbox(here.deployment) is None


@pytest.mark.parametrize(("first", "mode"), [("sandbox", "sandbox"), ("release", "release")])
def test_auto_goes_on_as_it_began(here, monkeypatch, first, mode):
    here.want(images__source=first)
    choosing.choose(here.deployment)
    here.want(images__source="auto", images__pull="always")
    asked = _asked(here, monkeypatch)
    choosing.choose(here.deployment)
    assert asked[0]["mode"] == mode


def test_auto_that_has_not_begun_is_asked(here, monkeypatch):
    asked = _asked(here, monkeypatch)
    here.want(images__source="auto")
    choosing.choose(here.deployment)
    assert asked[0]["mode"] == "auto"


# --- before anything is chosen


def test_what_is_foreseen_names_the_catalogue(here):
    found = choosing.foreseen(here.deployment)
    assert set(found) == {"kes", "minio"}
    assert all(pin.reference and pin.entrypoint and not pin.id for pin in found.values())


def test_what_runs_is_foreseen_to_go_on(here):
    pinned = choosing.choose(here.deployment)
    assert choosing.foreseen(here.deployment) == pinned
    assert choosing.recorded(here.deployment) == pinned


def test_another_reference_is_foreseen_and_not_what_was_recorded(here):
    pinned = choosing.choose(here.deployment)
    here.want(images__kes="example.org/kes:other")
    assert choosing.foreseen(here.deployment)["kes"].reference == "example.org/kes:other"
    assert choosing.recorded(here.deployment) == pinned


def test_the_sandbox_foresees_no_upgrade(here, monkeypatch):
    here.want(images__source="sandbox")
    pinned = choosing.choose(here.deployment)
    monkeypatch.setattr(choosing, "__version__", "99")
    assert choosing.foreseen(here.deployment) == pinned


# --- where


@pytest.mark.parametrize("rootless", [True, False])
def test_files_stay_the_owners(here, rootless):
    here.engine.rootless = rootless
    site = choosing.site(here.deployment, choosing.choose(here.deployment))
    assert site.user == ("0:0" if rootless else here.home.owner())
    assert site.root == str(here.home.root)
    assert site.images["kes"].image.startswith("sha256:")


def test_an_image_that_is_not_here_goes_by_its_reference(here):
    pinned = {c: replace(p, id="") for c, p in choosing.choose(here.deployment).items()}
    assert choosing.site(here.deployment, pinned).images["kes"].image == f"example.org/kes:{NEW}"
