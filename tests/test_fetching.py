"""One image from one source: what is asked for, how often, and what is shown of it."""

from __future__ import annotations

import pytest
from memory_engine import MemoryEngine

from kesdeploy import fetching
from kesdeploy.engines import Image, Transfer
from kesdeploy.errors import ImageError

TAG, DIGEST = "r.example/kes:1", f"sha256:{3:064}"


class Registry(MemoryEngine):
    """`says`: the refusals of the first pulls."""

    def __init__(self, *says: str) -> None:
        super().__init__()
        self.says_no = list(says)
        self.asked: list[str] = []

    def pull(self, reference, *, stall, progress):
        self.asked.append(reference)
        if self.says_no:
            raise ImageError("no", because=self.says_no.pop(0))
        self.known["id"] = self.known[reference] = Image("id", (), DIGEST, 1, "amd64", {}, (reference,))
        return self.known[reference]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_FIRST_PAUSE", 0)


def _fetch(engine: Registry, digest: str = "") -> Image:
    return fetching.fetch(engine, TAG, digest, progress=lambda _: None)


def test_a_known_digest_is_what_is_asked_for_and_the_tag_is_its_name():
    engine = Registry()
    assert _fetch(engine, DIGEST) == engine.known[TAG]
    assert engine.asked == [f"r.example/kes@{DIGEST}"]


def test_without_one_the_tag_is_asked_for():
    engine = Registry()
    assert _fetch(engine).digest == DIGEST
    assert engine.asked == [TAG]


def test_what_may_pass_is_tried_three_times():
    engine = Registry("unexpected EOF", "connection reset by peer")
    assert _fetch(engine)
    assert len(engine.asked) == 3
    engine = Registry(*["unexpected EOF"] * 3)
    with pytest.raises(ImageError):
        _fetch(engine)
    assert len(engine.asked) == 3


def test_what_will_not_pass_is_asked_once():
    engine = Registry("unauthorized", "")
    with pytest.raises(ImageError):
        _fetch(engine)
    assert len(engine.asked) == 1


def test_layers_are_shown_with_bars():
    shown: list[tuple[str, ...]] = []
    layers = fetching.Layers(shown.append)
    layers(Transfer("Trying to pull"))
    assert shown == []
    layers(Transfer("Downloading", "aaaabbbbccccdddd", 1_000_000, 4_000_000))
    layers(Transfer("Already exists", "ffff"))
    assert shown[-1] == ("aaaabbbbcccc  [#####...............] 1.0 of 4.0 MB", "ffff          already exists")
    layers(Transfer("Downloading", "aaaabbbbccccdddd", 4_000_001, 4_000_000))
    assert "[####################]" in shown[-1][0]
