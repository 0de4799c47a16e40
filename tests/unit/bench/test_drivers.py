"""What redis-benchmark prints becomes a Load, or a fault that says what it was."""

import pytest

from bench.cases import encode
from bench.drivers import Load, combined, key_name, parse_csv
from bench.faults import BenchFault

HEADER = (
    '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"'
)
LINE = '"MSET (10 keys)","306748.47","2.439","0.192","1.727","7.623","11.679","15.543"'


def test_csv_is_read_by_its_header_behind_other_lines() -> None:
    load = parse_csv(f"WARNING: something\n\n{HEADER}\n{LINE}\n", 1000)
    assert load == Load(1000, 306748.47, 1727.0, 11679.0)


@pytest.mark.parametrize(
    "output",
    ["", HEADER, LINE, f"{HEADER}\n{LINE}\n{LINE}\n", f'{HEADER}\n"GET","many"\n', f'{HEADER}\n"GET","1","2"\n'],
)
def test_anything_else_is_a_fault(output: str) -> None:
    with pytest.raises(BenchFault, match="redis-benchmark printed"):
        parse_csv(output, 1000)


def test_parts_of_a_mixed_load_are_one_load() -> None:
    both = combined([Load(800, 400.0, 10.0, 20.0), Load(200, 50.0, 20.0, 15.0)])
    assert both == Load(1000, 250.0, 12.0, 20.0)


def test_keys_are_those_of_redis_benchmark() -> None:
    assert key_name(42) == b"key:000000000042"
    assert encode(b"GET", key_name(42)) == b"*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000042\r\n"
