from pathlib import Path

import pytest

from athena.config import BY_NAME, SETTINGS, Config, resolve
from athena.errors import StartupError


def test_every_server_setting_is_in_the_config_and_in_the_table() -> None:
    server = [setting.name for setting in SETTINGS if not setting.client]
    assert server == list(Config.__dataclass_fields__)
    assert len(BY_NAME) == len(SETTINGS)


def test_defaults_then_variables_then_flags() -> None:
    assert resolve({}, {}).port == 8787
    assert resolve({}, {"ATHENA_PORT": "9000"}).port == 9000
    assert resolve({"port": 9001}, {"ATHENA_PORT": "9000"}).port == 9001
    assert resolve({"data": None}, {"ATHENA_DATA": "/somewhere"}).data == Path("/somewhere")
    assert resolve({}, {"ATHENA_PING_INTERVAL": "0.5"}).ping_interval == 0.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "http"),
        ("port", "65536"),
        ("port", "-1"),
        ("tail_bytes", "0"),
        ("tail_bytes", "1.5"),
        ("ping_interval", "-1"),
        ("ping_interval", "nan"),
        ("slow_timeout", "inf"),
        ("auth", "password"),
        ("log_level", "loud"),
    ],
)
def test_a_value_out_of_range_is_named(name: str, value: str) -> None:
    with pytest.raises(StartupError, match=BY_NAME[name].flag):
        resolve({}, {BY_NAME[name].variable: value})


def test_port_zero_picks_a_free_one() -> None:
    assert resolve({"port": 0}, {}).port == 0
