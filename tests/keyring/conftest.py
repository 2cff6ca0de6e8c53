from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from key_world import key_world

if TYPE_CHECKING:
    from pathlib import Path

    from core_fixtures import World


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A deployment that is up."""
    monkeypatch.setattr("kesdeploy.keyring.deleting.SETTLES", 0)
    return key_world(tmp_path, monkeypatch)
