"""Memory of training a model that is not loaded: exact parameter counts, and bytes recipe by recipe.

``catalogue`` names the models whose configs come with the package, ``request`` says what may be asked, ``sharding``,
``published`` and ``cards`` are arithmetic; none of them needs torch. ``subject`` builds a model without its weights,
``tracing`` takes one training step of it in which no number is computed, counted by the Lab's own instrument, and
``planning`` puts the answer together. ``desk`` is how another process asks for a plan and never loads torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from explorer.planner.catalogue import NAMED, NamedModel
from explorer.planner.desk import Desk
from explorer.planner.request import PlanRequest, parse_request

if TYPE_CHECKING:
    from explorer.planner.planning import plan
    from explorer.planner.warning import warning

_HOMES = {"plan": "planning", "warning": "warning"}

__all__ = ["NAMED", "Desk", "NamedModel", "PlanRequest", "parse_request", "plan", "warning"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
