"""A pipeline in words, or as a drawing (Mermaid): what stands around a function, in which order, and what to know of it.

Rule: nothing here is on the way of a call; it is loaded when somebody asks.
"""

from __future__ import annotations

from ._core._callable import name_of
from ._policy import active
from .pipeline import blind_spots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from .pipeline import Governed, Pipeline, Policy


def text(pipeline: Pipeline, governed: Sequence[Governed]) -> str:
    """One line for each policy, its notes below it, and the functions it stands around."""
    lines = [f"{pipeline.label}: {_order(pipeline.policies)}"]
    kinds = {one.kind for one in governed}
    for number, policy in enumerate(pipeline.policies, 1):
        lines.append(f"  {number}. {_line(policy, pipeline.policies)}".rstrip())
        lines += [f"     note: {note}" for note in notes(policy, pipeline.policies, kinds)]
    for one in governed:
        lines.append(f"  around {one.function} ({one.kind})")
        if one.policies != pipeline.policies:
            lines.append(f"     fused with its neighbours: {_order(one.policies)}")
        for between, inside in seams(one):
            lines.append(f"     seam: {between} ends the pipeline; inside it: {_order(inside.policies)}")
    return "\n".join(lines)


def mermaid(pipeline: Pipeline, governed: Sequence[Governed]) -> str:
    """A flow chart, for documents that draw it: ``flowchart LR``."""
    lines = ["flowchart LR", "    call([call])"]
    last = "call"
    for number, policy in enumerate(pipeline.policies, 1):
        here = f"p{number}"
        settings = _settings(policy)
        lines.append(f'    {here}["{_escaped(_named(policy))}{"<br/>" if settings else ""}{_escaped(settings)}"]')
        lines.append(f"    {last} --> {here}")
        if policy.shape == "loop":
            lines.append(f"    {here} -. another attempt .-> {here}")
        last = here
    for number, one in enumerate(governed, 1):
        end = last
        for step, (between, inside) in enumerate(seams(one), 1):
            seam = f"s{number}_{step}"
            lines.append(f'    {seam}{{{{"{_escaped(between)}"}}}}')
            lines.append(f'    {seam}i["{_escaped(_order(inside.policies))}"]')
            lines += [f"    {end} --> {seam}", f"    {seam} --> {seam}i"]
            end = f"{seam}i"
        lines.append(f'    f{number}(["{_escaped(one.function)}"])')
        lines.append(f"    {end} --> f{number}")
    if not governed:
        lines.append(f"    {last} --> function([the function])")
    return "\n".join(lines)


def notes(policy: Policy, policies: Sequence[Policy], kinds: set[str]) -> Iterator[str]:
    """What is not plain from the settings of *policy*."""
    settings: Any = policy.settings
    window, least = getattr(settings, "window", None), getattr(settings, "min_calls", 0)
    if isinstance(window, int) and least > window:
        yield f"min_calls={least} counts as {window}, the size of the window"
    if getattr(settings, "mode", "enforce") != "enforce":
        yield {"observe": "observes: it refuses nothing, and tells what it would have", "off": "off"}[settings.mode]
    if policy not in active(tuple(policies)):
        yield "passes every call through (SVCGOV_DISABLED)"
    if policy.shape == "limit" and "sync" in kinds and not policy.machine.on_thread:
        yield "a plain function is not interrupted: it sees the deadline, and governed clients in it keep it"
    for kind in kinds:
        for outer, blind in blind_spots(policies, kind):
            if blind is policy:
                yield blindness(outer, blind)
                return


def blindness(outer: Policy, blind: Policy) -> str:
    """What to say of one."""
    return (
        f"{blind.label} learns nothing from calls that {outer.label} around it cuts off: "
        "put a timeout inside it, or give it a slow_call_duration"
    )


def seams(governed: Governed) -> Iterator[tuple[str, Governed]]:
    """Pipelines further inside, with the name of the foreign decorator that keeps them apart, where it can be known."""
    function: Any = governed.target
    between = function
    seen = set()
    while function is not None and id(function) not in seen:
        seen.add(id(function))
        inside = getattr(function, "__svcgov__", None)
        if inside is not None and inside.head() is function:
            yield _who(between), inside
            function = between = inside.target
            continue
        between, function = function, getattr(function, "__wrapped__", None)


def _who(decorator: Any) -> str:
    """The name of what a foreign decorator has made: its code's own, since it looks like what it wraps."""
    code = getattr(decorator, "__code__", None)
    made = code.co_qualname if code is not None else type(decorator).__qualname__
    return str(made).partition(".<locals>")[0]


def _order(policies: Sequence[Policy]) -> str:
    return " > ".join([*(_named(policy) for policy in policies), "the function"])


def _named(policy: Policy) -> str:
    return policy.kind if policy.name is None else f"{policy.kind} {policy.name}"


def _line(policy: Policy, policies: Sequence[Policy]) -> str:
    scope = ""
    if policy.shape == "limit":
        inside = any(one.shape == "loop" for one in policies[: policies.index(policy)])
        scope = " (per attempt)" if inside else " (total)"
    return f"{_named(policy)}{scope}  {_settings(policy)}"


def _settings(policy: Policy) -> str:
    """Those that are not the default, or were said."""
    shown = []
    for name, field in policy.settings._fields.items():
        value = getattr(policy.settings, name)
        if name in policy.declared or value != field.default:
            shown.append(f"{name}={_value(value)}")
    return ", ".join(shown)


def _value(value: Any) -> str:
    given = getattr(value, "given", value)  # a setting that was made of another value is shown as that was written
    if isinstance(given, (list, tuple)):
        return f"[{', '.join(map(_value, given))}]"
    if isinstance(given, type):
        return given.__name__
    return name_of(given) if hasattr(given, "__qualname__") else repr(given)


def _escaped(label: str) -> str:
    return label.replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
