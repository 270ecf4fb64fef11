"""The destination of logs may be full or stalled; a line's content is tested in tests/access/test_logs.py."""

from __future__ import annotations

import http.client
import logging
import os
import re
import resource
import signal
import subprocess
import time
from pathlib import Path

from tests.support.server import ATHENA, PATIENCE, environment

from athena.http.access_log import WRITE_SECONDS
from athena.logs import Output, OutputHandler, TextFormatter


def told(lines: int) -> str:
    return f"{lines} are missing\n"


def write(output: Output, *lines: str) -> None:
    for line in lines:
        output.write(f"{line}\n")
        output.drain(PATIENCE)


def test_lines_that_a_full_disk_does_not_take_are_counted_and_told_later(tmp_path: Path) -> None:
    full, file = os.open("/dev/full", os.O_WRONLY), os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    descriptor = os.dup(full)
    output = Output(descriptor, told)
    write(output, "a", "b", "c")
    os.dup2(file, descriptor)
    write(output, "d", "e")
    assert (tmp_path / "log").read_text().splitlines() == ["3 are missing", "d", "e"]
    for number in (full, file, descriptor):
        os.close(number)


def test_a_pipe_that_nobody_empties_holds_up_nobody() -> None:
    """Neither writers nor the shutdown wait for it, and the buffer for it is bounded."""
    reading, writing = os.pipe()
    output, line = Output(writing, told), "x" * 99_999 + "\n"
    for _ in range(100):
        output.write(line)
    output.drain(0.01)
    read = b""
    while read.count(line.encode()) < 41:
        read += os.read(reading, 65_536)
    output.write("later\n")
    while not read.endswith(b"later\n"):
        read += os.read(reading, 65_536)
    assert read.count(line.encode()) == 41, "four million characters wait, and no more"
    missing = [int(number) for number in re.findall(rb"(\d+) are missing\n", read)]
    assert sum(missing) == 59, "told once, or twice where the thread began to write in between"
    os.close(reading)
    os.close(writing)


def test_a_server_goes_on_and_stops_while_nobody_reads_its_log(tmp_path: Path) -> None:
    command = [ATHENA, "serve", "--auth", "none", "--port", "0", "--data", str(tmp_path / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().rpartition(b":")[2])
            for _ in range(4):
                for _ in range(300):  # lines of 600 characters: each time more than a pipe takes
                    assert ask(port, "/" + "x" * 490) == 404
                time.sleep(2 * WRITE_SECONDS)
            assert ask(port, "/healthz") == 200
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


def ask(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_nothing_is_written_where_there_is_no_standard_error(tmp_path: Path) -> None:
    """Its descriptor number then belongs to another file, such as the database."""
    data = tmp_path / "data"
    script = f"exec {ATHENA} serve --auth none --port 0 --data {data} 2>&-"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, env=environment()) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().rpartition(b":")[2])
            for _ in range(20):
                assert ask(port, "/nowhere") == 404
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
    assert [file.name for file in data.iterdir() if b"ACCESS" in file.read_bytes()] == []


def test_a_descriptor_that_does_not_block_gets_all_lines() -> None:
    """Another process that shares it may have made it non-blocking."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    output, read = Output(writing, told), b""
    output.write("".join(f"{number:099}\n" for number in range(2_000)))
    while read.count(b"\n") < 2_000:
        read += os.read(reading, 65_536)
    assert read.splitlines()[-1] == b"%099d" % 1_999
    os.close(reading)
    os.close(writing)


def test_a_line_behind_one_that_was_cut_begins_on_its_own(tmp_path: Path) -> None:
    """The line that was cut is counted as missing."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    output = Output(descriptor, told)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4, limit[1]))
        write(output, "first")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    write(output, "second")
    assert (tmp_path / "log").read_text().splitlines() == ["firs", "1 are missing", "second"]
    os.close(descriptor)


def test_what_cannot_be_formatted_harms_nobody() -> None:
    reading, writing = os.pipe()
    output = Output(writing, told)
    handler = OutputHandler(output)
    handler.setFormatter(TextFormatter())
    handler.handle(logging.LogRecord("x", logging.INFO, "", 0, "%d of\n%d", ("many",), None))
    output.drain(PATIENCE)
    said = os.read(reading, 65_536).decode()
    assert "could not be logged" in said
    assert said.count("\n") == 1
    os.close(reading)
    os.close(writing)
