"""The metrics in Prometheus' text format. Imported at the first scrape: the library would cost an idle process 2 MB."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from athena.http.metrics import COUNTERS, GAUGES, HISTOGRAMS, Seen

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


def expose(seen: Seen) -> bytes:
    """Athena's own metrics, and the kernel's of its process."""
    registry = CollectorRegistry()
    registry.register(Families(seen))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class Families(Collector):
    """The tables of metrics.py, filled in."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def collect(self) -> Iterator[Family]:
        for kind, table in ((CounterMetricFamily, COUNTERS), (GaugeMetricFamily, GAUGES)):
            for metric in table:
                family = kind(metric.name, metric.help, labels=metric.labels)
                for values, value in metric.read(self.seen).items():
                    family.add_metric(values, value)
                yield family
        for name, text, read in HISTOGRAMS:
            histogram = read(self.seen)
            buckets = [("+Inf" if bound == inf else str(bound), count) for bound, count in histogram.cumulative()]
            yield HistogramMetricFamily(name, text, buckets=buckets, sum_value=histogram.sum)
