"""One answer to Prometheus on its way: samples by family, in the order of the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client.metrics_core import Metric

from kov.counting import Histogram
from kov.observe.families import FAMILIES, Family, Kind


class Scrape:
    """A collector as prometheus_client knows them. Families without samples are left out."""

    def __init__(self) -> None:
        self._metrics = {
            family.name: Metric(_stem(family), family.help, str(family.kind)) for family in FAMILIES
        }
        self._more: list[Metric] = []

    def add(self, family: Family, value: float, *labels: str) -> None:
        metric = self._metrics[family.name]
        metric.add_sample(family.name, dict(zip(family.labels, labels, strict=True)), value)

    def add_histogram(self, family: Family, histogram: Histogram, *labels: str) -> None:
        metric = self._metrics[family.name]
        have = dict(zip(family.labels, labels, strict=True))
        bounds = (*map(str, histogram.bounds), "+Inf")
        counts = list(accumulate(histogram.counts))
        for bound, count in zip(bounds, counts, strict=True):
            metric.add_sample(f"{family.name}_bucket", {**have, "le": bound}, count)
        metric.add_sample(f"{family.name}_count", have, counts[-1])
        metric.add_sample(f"{family.name}_sum", have, histogram.total)

    def add_more(self, metrics: Iterable[Metric]) -> None:
        """What other collectors found."""
        self._more.extend(metrics)

    def collect(self) -> Iterator[Metric]:
        yield from (metric for metric in self._metrics.values() if metric.samples)
        yield from self._more


def _stem(family: Family) -> str:
    return family.name.removesuffix("_total") if family.kind is Kind.COUNTER else family.name
