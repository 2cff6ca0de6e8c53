"""Starting at boot: a systemd unit for each deployment that wants it."""

from __future__ import annotations

from kesdeploy.boot.unit import Place, Unit, here, unit

__all__ = ["Place", "Unit", "here", "unit"]
