"""httpload.c in Python: keep-alive connections that send prepared requests one after another, a thread each."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.calls import Http


def load(path: Path) -> list[bytes]:
    """Requests, each preceded by a line with its length."""
    data, at, requests = path.read_bytes(), 0, []
    while at < len(data):
        line_end = data.index(b"\n", at)
        start, at = line_end + 1, line_end + 1 + int(data[at:line_end])
        requests.append(data[start:at])
    return requests


def produce(http: Http, requests: list[bytes], until: float) -> int:
    """Send in turns until the time (monotonic) is over -> answers."""
    answers = 0
    while not answers or time.monotonic() < until:
        http.send(requests[0])
        http.answer()
        requests.append(requests.pop(0))
        answers += 1
    return answers


def main(port: int, connections: int, path: Path) -> None:
    requests = load(path)
    producers = [(Http(port), requests[number::connections]) for number in range(connections)]
    print("READY", flush=True)
    with ThreadPoolExecutor(connections) as threads:
        for line in sys.stdin:
            begun = time.monotonic()
            running = [threads.submit(produce, http, own, begun + float(line)) for http, own in producers]
            answers = sum(future.result() for future in running)
            print(json.dumps({"answers": answers, "seconds": time.monotonic() - begun}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
