"""This machine and its engine: what is wrong, the command that fixes it, and the fixes that are safe to apply.

`examine` changes nothing that stays (it starts a container of its own and removes it). `mend` writes one file, after
it was shown; `undo` removes it.
"""

from __future__ import annotations

from kesdeploy.doctor.examination import DEFAULT_PORTS, examine
from kesdeploy.doctor.finding import Finding, Setting, Verdict
from kesdeploy.doctor.mend import Change, Mended, mend, proposal, undo

__all__ = ["DEFAULT_PORTS", "Change", "Finding", "Mended", "Setting", "Verdict", "examine", "mend", "proposal", "undo"]
