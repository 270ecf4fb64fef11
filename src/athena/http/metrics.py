"""What operators watch, read from plain counters at the moment of the question: hot paths count each thing once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

import athena
from athena.live.hub import Hub
from athena.service import Service

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Collect = Callable[[], bytes]
Metric = CounterMetricFamily | GaugeMetricFamily


def collector(service: Service, hub: Hub) -> Collect:
    """-> a function that gives the metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Athena(service, hub))
    ProcessCollector(registry=registry)
    return lambda: generate_latest(registry)


class _Athena(Collector):
    def __init__(self, service: Service, hub: Hub) -> None:
        self._service = service
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        journal, hub = self._service.journal, self._hub
        info = GaugeMetricFamily("athena_info", "The running version.", labels=["version"])
        info.add_metric([athena.__version__], 1)
        yield info
        yield CounterMetricFamily("athena_commits", "Commits to the store.", journal.commits)
        yield CounterMetricFamily("athena_commands", "Opens, edits and the like in those commits.", journal.commands)
        yield CounterMetricFamily("athena_changes", "Position of the newest change.", hub.tail.end)
        yield GaugeMetricFamily("athena_journal_waiting", "Submissions that wait for a commit.", journal.waiting)
        yield GaugeMetricFamily("athena_clients", "Connected WebSocket clients.", len(hub.clients))
        yield GaugeMetricFamily("athena_slow_clients", "Of them, those that do not keep up.", len(hub.slow))
        yield CounterMetricFamily("athena_flushes", "Rounds in which all live clients were written to.", hub.flushes)
        yield CounterMetricFamily("athena_encodes", "Buffers joined for sending.", hub.tail.encoded)
        yield CounterMetricFamily("athena_store_reads", "Pages read for readers behind the tail.", hub.catchup.reads)
