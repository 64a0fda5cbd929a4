"""What the benchmark takes from wrk, and what of it fails a row."""

import pytest

from benchmarks.load import LoadFailed, read_result

RESULT = (
    'result: {"requests":%d,"microseconds":10000000,"p50":1250,"p99":9000,'
    '"connect":0,"read":%d,"write":0,"status":%d,"timeout":0}\n'
)
OUTPUT = "Running 10s test @ http://127.0.0.1:8460\n  1 threads and 8 connections\n" + RESULT


def test_results_are_parsed_from_the_output_line_of_the_script() -> None:
    load = read_result(OUTPUT % (123_450, 0, 0))

    assert (load.per_second, load.p50_ms, load.p99_ms) == (12_345, 1.25, 9)
    assert load.wrong == ""


def test_refusals_and_broken_connections_are_reported() -> None:
    load = read_result(OUTPUT % (10, 3, 7))

    assert load.wrong == "3 connections broke while reading, 7 responses with a status above 399"


def test_a_server_that_never_answers_is_a_failure() -> None:
    assert read_result(OUTPUT % (0, 0, 0)).wrong == "no response"


def test_without_a_result_the_output_of_wrk_is_in_the_error() -> None:
    with pytest.raises(LoadFailed, match="unable to connect"):
        read_result("", "unable to connect to 127.0.0.1:8460 Connection refused")
