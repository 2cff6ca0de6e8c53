"""This machine and its engine: what is wrong, the command that fixes it, and the fixes that are safe to apply.

`examine` changes nothing that stays (it starts containers of its own and removes them). `mend` writes one file and
`take` runs commands, after they were shown; `undo` and `take_back` do the reverse.
"""

from __future__ import annotations

from kesdeploy.doctor.examination import DEFAULT_PORTS, examine
from kesdeploy.doctor.finding import Finding, Setting, Step, Verdict
from kesdeploy.doctor.mend import Change, Mended, mend, proposal, undo
from kesdeploy.doctor.steps import take, take_back

__all__ = [
    "DEFAULT_PORTS",
    "Change",
    "Finding",
    "Mended",
    "Setting",
    "Step",
    "Verdict",
    "examine",
    "mend",
    "proposal",
    "take",
    "take_back",
    "undo",
]
