"""A provider of OpenTelemetry's metrics, and what it has collected, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import _internal
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


class Metered:
    """A provider that is read by hand."""

    def __init__(self, *readers: Any) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader, *readers], shutdown_on_exit=False)

    def set(self, monkeypatch: pytest.MonkeyPatch) -> Metered:
        """Let it be the provider of the process while the test lasts."""
        set_provider(monkeypatch, self.provider)
        return self

    def metrics(self, scope: str = "svcgov") -> dict[str, Any]:
        """The metrics that are collected now, by their names."""
        return {metric.name: metric for metric in self._all(scope)}

    def points(self, name: str, *labels: str, scope: str = "svcgov") -> dict[tuple[Any, ...], Any]:
        """The values of one metric, or the counts of its durations, by the attributes of these names."""
        metric = self.metrics(scope).get(name)
        if metric is None:
            return {}
        return {
            tuple(point.attributes.get(label) for label in labels): point.count if hasattr(point, "count") else point.value
            for point in metric.data.data_points
        }

    def scopes(self, name: str) -> list[str]:
        """Who tells a metric of this name."""
        data = self.reader.get_metrics_data()
        return [
            inside.scope.name
            for resource in (data.resource_metrics if data is not None else ())
            for inside in resource.scope_metrics
            if any(metric.name == name for metric in inside.metrics)
        ]

    def _all(self, scope: str) -> Iterator[Any]:
        data = self.reader.get_metrics_data()
        for resource in data.resource_metrics if data is not None else ():
            for inside in resource.scope_metrics:
                if inside.scope.name == scope:
                    yield from inside.metrics


def set_provider(monkeypatch: pytest.MonkeyPatch, provider: Any) -> None:
    """Let *provider* be the one of the process while the test lasts."""
    monkeypatch.setattr(_internal, "_METER_PROVIDER", provider)
