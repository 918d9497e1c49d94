"""The part of a governor that has to do with a registry.

Others are found there by name, this process is found, and documents come from there.

Rule 1: the code of registries is loaded where there is one.
Rule 2: documents of the registry are those of the service, those of its group, where it is in one, and those of the fleet,
        which hold for all services. A wrong one stops nobody from starting: what was in force before is.
Rule 3: a process says that it is there where it has a way in, a registry, and an address; nobody guesses an address.
"""

from __future__ import annotations

from ._core._context import well_coloured
from ._core._environment import text
from ._core._names import check_name
from .errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ._core._context import Identity
    from .config._kept import Kept
    from .config.apply import Documents
    from .registry import Instance, Registry
    from .registry.layer import Layer
    from .typing import Clock

APPCONFIG = "SVCGOV_APPCONFIG"  # names the document of the service, which is then not that of the registry
FLEET = "fleet"  # whose documents hold for all, and their layer
GROUP = "SVCGOV_GROUP"
_LONGEST = 200  # characters of what is said about documents
ADDRESS, COLOUR, REGISTRY = "SVCGOV_ADDRESS", "SVCGOV_COLOUR", "SVCGOV_REGISTRY"


class UnderRegistry:
    """Where a governor finds others, and is found."""

    clock: Clock
    scope: str
    instance: Instance | None = None  # what it has registered
    _layers: tuple[Layer, ...] = ()
    _callees: dict[str, Layer]  # by the names of the services that it calls
    _followed: bool = False
    _address: str | None
    _asked: str | Registry | None
    _registry: Registry | None

    if TYPE_CHECKING:

        def _under(self) -> Documents:
            """The documents."""
            ...

        @property
        def identity(self) -> Identity:
            """Who is running."""
            ...

    @property
    def registry(self) -> Registry | None:
        """The registry that was given, or else that of ``SVCGOV_REGISTRY``; None where there is none.

        Raises:
            ConfigError: for a URL that cannot be.
        """
        if self._registry is None and (self._asked is not None or text(REGISTRY)):
            if self._asked is not None and not isinstance(self._asked, str):
                self._registry = self._asked
            else:
                from .registry import connect

                self._registry = connect(self._asked, clock=self.clock)
        return self._registry

    def _present(self) -> None:
        """There is a way in: say so to the registry, once.

        Raises:
            ConfigError: for an address or a colour that cannot be, and for an address of nobody's.
        """
        path, address = ("Governor.address", self._address) if self._address is not None else (ADDRESS, text(ADDRESS))
        self._follow()
        if self.instance is not None or not address:
            return
        registry = self.registry
        if registry is None:
            raise ConfigError(path, address, f"a registry too: Governor(registry=...) or {REGISTRY}")
        if not self.identity.service:
            raise ConfigError(path, address, "the name of a service too, which is at this address")
        colour = text(COLOUR) or None
        if colour is not None and not well_coloured(colour):
            raise ConfigError(COLOUR, colour, "1 to 64 letters, digits or . _ -")
        from .registry import Instance

        known = self.identity
        said = Instance(service=known.service, address=address, version=known.version, colour=colour)
        try:
            self.instance = registry.register(said)
        except ConfigError as wrong:
            raise ConfigError(path, address, wrong.expected) from None
        self._say()

    def _follow(self) -> None:
        """Go by the documents of the registry from now on: as soon as there is one, asked for with every beat."""
        registry = self.registry
        if registry is None or self._layers or not self.identity.service:
            return
        from .registry.layer import Layer

        if group := text(GROUP):
            check_name(group, GROUP)
        whose = {FLEET: FLEET, "group": group, "service": "" if self._agent() else self.identity.service}
        self._layers = tuple(Layer(registry, name, layer) for layer, name in whose.items() if name)
        registry.beat.also = (*registry.beat.also, self._look)
        registry.beat.begin()
        self._look()

    def _look(self) -> None:
        """Load the code of documents where there is one, or nobody says that there is none; then look for others."""
        if self._followed:
            self._under().look()
        elif self._agent() or any(layer.ask() is not False for layer in self._layers):
            self._followed = True
            self._under().follow(*self._layers)
        self._listen_to_callees()
        self._say()

    def _listen_to_callees(self) -> None:
        """Keep to what those ask of their callers whom this process calls."""
        from .registry.layer import Layer

        registry = self.registry
        assert registry is not None  # noqa: S101  # its beat comes by here
        for service in registry.watched():
            if service == self.identity.service:
                continue
            layer = self._callees.setdefault(service, Layer(registry, service, "service"))
            new = layer.ask()
            if new is None:
                break  # the registry does not answer
            if new and (raw := layer.pull()) is not None:
                self._under().asks(service, raw)

    def _say(self) -> None:
        """Say in the registry what documents this process goes by, and which it does not."""
        instance, registry = self._said(), self._registry
        if not self._followed or instance is None or registry is None:
            return
        documents = self._under()
        refused = "; ".join(f"{one.layer} {one.revision}: {one.errors[0].path}" for one in documents.refused.values())
        goes_by = [
            revision if layer == "service" else f"{layer} {revision}"
            for layer in ("service", "group", FLEET)
            if (revision := documents.revisions.get(layer)) is not None
        ]
        said = instance.replace(applied=", ".join(goes_by), refused=refused[:_LONGEST])
        if said != instance:
            registry.say(instance, applied=said.applied, refused=said.refused)  # its status may be somebody else's word by now
            self.instance = self._said() or said

    def _said(self) -> Instance | None:
        """What is said of this process; None where nothing is, as in a forked one: what is registered is its parent's."""
        if self.instance is None or self._registry is None:
            return None
        return self._registry.mine.get((self.instance.service, self.instance.id))

    def _drains(self) -> bool:
        """Whether this process, or somebody else, has said that it is to get no more calls."""
        said = self._said()
        return said is not None and said.status == "draining"

    def _keeping(self) -> Kept | None:
        """Where documents of the registry are kept for the next start, which may find nobody who could tell."""
        registry, agent = self.registry, self._agent()
        if registry is not None and not registry.backend.url.startswith("memory:"):  # which has nothing to say to another process
            name = f"{registry.backend.url} {self.identity.service}@{self.scope}"
        elif agent:
            name = f"@{self.scope}"
        else:
            return None
        from .config._kept import Kept

        return Kept(f"{name} {agent}" if agent else name, wall=self.clock.wall)

    def _agent(self) -> str:
        """The profile of AppConfig that has the document of the service, if there is one: only where no scope is its own."""
        return "" if self.scope else text(APPCONFIG)

    def _finding(self) -> AbstractContextManager[object]:
        """While clients are governed: they find services by the names that are registered."""
        from contextlib import ExitStack

        stack = ExitStack()
        self._follow()
        registry = self.registry
        if registry is not None:
            from .outbound.target import FINDER, Discovered

            stack.callback(FINDER.reset, FINDER.set(Discovered(registry.looked_up)))
        return stack
