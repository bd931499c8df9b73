import pytest
import requests

from catalogs import CatalogError
from flows.transient import causes, is_transient


def chained(outer, inner):
    try:
        try:
            raise inner
        except type(inner) as error:
            raise outer from error
    except type(outer) as error:
        return error


class APIError(Exception):
    def __init__(self, message, status_code=None):
        super().__init__(message)
        self.status_code = status_code


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (ConnectionResetError("peer"), True),
        (TimeoutError("slow"), True),
        (requests.exceptions.ConnectionError("refused"), True),
        (requests.exceptions.ReadTimeout("slow"), True),
        (requests.exceptions.InvalidURL("bad"), False),
        (APIError("too many", 429), True),
        (APIError("gone", 404), False),
        (APIError("503 Service Unavailable"), True),
        (chained(RuntimeError("while reading"), ConnectionError("reset")), True),
        (CatalogError("later", transient=True), True),
        (chained(CatalogError("no such catalogue", transient=False), ConnectionError("dns")), False),
        (ValueError("a fault in the data"), False),
        (OSError(28, "No space left on device"), False),
        (None, False),
    ],
)
def test_only_the_network_is_worth_another_try(error, transient):
    assert is_transient(error) is transient


def test_a_stage_that_ran_out_of_its_own_time_is_not_tried_again():
    from prefect.task_engine import TaskRunTimeoutError

    assert not is_transient(TaskRunTimeoutError("12 hours"))


def test_causes_end_even_in_a_circle():
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert list(causes(first)) == [first, second]
