"""Declarations of LADS 1.0.0 that only a functional group holds, and what they stand for.

`Operational/Stop` of a control function is a Method without an owner: a HasComponent reference
that a Call could go through is nowhere. The same command exists, owned, in the function's state
machine. So the instance has one node, owned by the state machine and organised by the group.
It also settles `StartProgram`, which the two declare with arguments in different order: the
state machine's (LADS;i=7010) is the one that clients use.
"""

from __future__ import annotations

LADS = "http://opcfoundation.org/UA/LADS/"

# Identifier of the declaration -> path of its homonym from the instance of the declaring type.
HOMONYMS: dict[str, dict[int, tuple[str, ...]]] = {
    LADS: {
        6022: ("IsEnabled",),
        6105: ("FunctionalUnitState", "CurrentState", "EffectiveDisplayName"),
        7019: ("FunctionalUnitState", "Clear"),
        7024: ("FunctionalUnitState", "Stop"),
        7025: ("FunctionalUnitState", "Abort"),
        7028: ("ControlFunctionState", "Stop"),
        7029: ("ControlFunctionState", "RunningStateMachine", "Reset"),
        7046: ("FunctionalUnitState", "StartProgram"),
    }
}
