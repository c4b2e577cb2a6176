"""What is wrong with a method's parameters: names, kinds, order, number and defaults."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from collection_jobs.conformance.static.contract import ContractMethod, Parameter
from collection_jobs.conformance.static.report import Fault, FaultKind
from collection_jobs.validation import shown

__all__ = ["parameter_faults"]


def parameter_faults(
    method: ContractMethod, found: tuple[Parameter, ...], *, certain: bool
) -> Iterator[Fault]:
    """Compare the found parameters, without ``self``, with the contract's.

    Args:
        method: The contract's method.
        found: The adapter's parameters.
        certain: Whether they are surely those that a call meets.
    """
    by_name = {parameter.name: parameter for parameter in found}
    wanted = {parameter.name for parameter in method.parameters}
    misnamed = _misnamed(method, found)
    for parameter in method.parameters:
        own = by_name.get(parameter.name)
        if own is not None and not own.is_variadic:
            yield from _compared(parameter, own, certain=certain)
        elif parameter.name in misnamed:
            yield _renamed(parameter, misnamed[parameter.name], certain=certain)
        else:
            yield _absent(parameter, found, certain=certain)
    renamed = {own.name for own in misnamed.values()}
    for own in found:
        if own.name not in wanted | renamed and own.is_required:
            yield Fault(
                FaultKind.PARAMETERS,
                f"it requires {own.name}, which no caller passes",
                f"give {own.name} a default, or remove it",
                certain,
            )
    if not misnamed and wanted <= by_name.keys() and not _in_order(method, found):
        names = ", ".join(one.name for one in method.parameters if one.by_position)
        yield Fault(
            FaultKind.PARAMETERS,
            f"its parameters are in the order {', '.join(own.name for own in found)}",
            f"put {names} first, in this order",
            certain,
        )


def _misnamed(method: ContractMethod, found: tuple[Parameter, ...]) -> dict[str, Parameter]:
    """Return the contract's names that are absent, each with what stands in its place."""
    wanted = {parameter.name for parameter in method.parameters}
    names = {own.name for own in found}
    places = [own for own in found if own.by_position]
    wanted_places = [parameter for parameter in method.parameters if parameter.by_position]
    return {
        parameter.name: own
        for parameter, own in zip(wanted_places, places, strict=False)
        if parameter.name not in names and own.name not in wanted
    }


def _in_order(method: ContractMethod, found: tuple[Parameter, ...]) -> bool:
    wanted = [parameter.name for parameter in method.parameters if parameter.by_position]
    by_position = [own.name for own in found if own.by_position]
    if not set(wanted) <= set(by_position):
        return True  # what cannot be passed by position is another fault
    return by_position[: len(wanted)] == wanted


def _compared(parameter: Parameter, own: Parameter, *, certain: bool) -> Iterator[Fault]:
    name = parameter.name
    if not own.by_name:
        yield Fault(
            FaultKind.PARAMETERS,
            f"{name} cannot be passed by keyword",
            f"remove the / after {name}",
            certain,
        )
    elif parameter.by_position and not own.by_position:
        yield Fault(
            FaultKind.PARAMETERS,
            f"{name} cannot be passed by position",
            f"remove the * before {name}",
            certain,
        )
    if not parameter.has_default:
        return
    if not own.has_default:
        yield Fault(
            FaultKind.PARAMETERS,
            f"{name} has no default",
            f"give {name} the default {shown(parameter.default)}",
            certain,
        )
    elif not _same(own.default, parameter.default):
        yield Fault(
            FaultKind.DEFAULT,
            f"{name} defaults to {shown(own.default)}, not {shown(parameter.default)}",
            f"give {name} the default {shown(parameter.default)}",
        )


def _renamed(parameter: Parameter, own: Parameter, *, certain: bool) -> Fault:
    written = f"__{own.name.partition('__')[2]}" if own.name.startswith("_") else own.name
    return Fault(
        FaultKind.PARAMETERS,
        f"the parameter {parameter.name} is named {written}",
        f"rename {written} to {parameter.name}",
        certain,
    )


def _absent(parameter: Parameter, found: tuple[Parameter, ...], *, certain: bool) -> Fault:
    if any(own.is_variadic for own in found):
        message = f"it takes {parameter.name} only through *args or **kwargs"
    else:
        message = f"it does not take {parameter.name}"
    return Fault(FaultKind.PARAMETERS, message, f"add the parameter {parameter}", certain)


def _same(first: object, second: object) -> bool:
    with contextlib.suppress(Exception):  # a default may be anything, and compare in any way
        return first is second or bool(first == second)
    return False
