"""In which order the databases of a run are migrated: as they are listed, unless a file requires another order.

A run goes in legs. Each takes one database as far as the requirements of its files are met, so that two
databases may wait for each other in turn; a circle is found before anything is run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from multidb.errors import OutOfOrderError
from multidb.schema.header import Requirement
from multidb.schema.plan import Plan
from multidb.schema.script import Script


@attrs.frozen(kw_only=True)
class Order:
    """The legs, each a part of its database's plan, and what keeps the rest of a database from being run."""

    legs: tuple[Plan, ...]
    stuck: Mapping[str, OutOfOrderError]


def put_in_order(plans: Mapping[str, Plan], is_applied: Callable[[Requirement], bool]) -> Order:
    """The legs of a run that carries out `plans`; `is_applied` tells what the databases say of a requirement."""
    left = {name: list(plan.pending) for name, plan in plans.items()}
    met: set[Requirement] = set()
    legs: list[Plan] = []

    def is_met(requirement: Requirement) -> bool:
        is_planned = any(
            requirement.is_met_by(script.version, script.label)
            for leg in legs
            if leg.database == requirement.database
            for script in leg.pending
        )
        if requirement not in met and (is_planned or is_applied(requirement)):
            met.add(requirement)
        return requirement in met

    has_moved = True
    while has_moved:
        has_moved = False
        for name, scripts in left.items():
            ready = 0
            while ready < len(scripts) and all(map(is_met, scripts[ready].requires)):
                ready += 1
            if ready:
                legs.append(attrs.evolve(plans[name], pending=tuple(scripts[:ready]), to=scripts[ready - 1].version))
                del scripts[:ready]
                has_moved = True
    stuck = {name: _unmet(scripts[0], left, is_met) for name, scripts in left.items() if scripts}
    return Order(legs=tuple(legs), stuck=stuck)


def _unmet(script: Script, left: Mapping[str, list[Script]], is_met: Callable[[Requirement], bool]) -> OutOfOrderError:
    requirement = next(requirement for requirement in script.requires if not is_met(requirement))
    waiting = left.get(requirement.database, [])
    if any(requirement.is_met_by(other.version, other.label) for other in waiting):
        return unmet(script, requirement, "which itself waits: the requirements go round in a circle")
    return unmet(script, requirement, "which is neither applied nor pending")


def unmet(script: Script, requirement: Requirement, why: str) -> OutOfOrderError:
    """The error for a migration whose turn has not come."""
    return OutOfOrderError(
        f"{script.database}: migration {script.version} {script.name} requires {requirement}, {why}",
        concern=script.database,
        database=script.database,
        version=script.version,
        name=script.name,
        path=script.path,
        hint=f"migrate {requirement.database} first",
    )
