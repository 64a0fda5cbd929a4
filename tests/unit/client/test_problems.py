"""The client's errors are the service's types of problem, under the class of their status."""

import pytest

from api.problems import slug_of, status_of
from hotswap import problems
from hotswap.errors import Conflict, NotFound, ProblemReply
from registry import errors as service_errors
from registry.errors import RegistryError

NEVER_OVER_HTTP = {
    service_errors.BackupRefused,
    service_errors.BackupDamaged,
    service_errors.DataDirectoryRefused,
    service_errors.SchemaMismatch,
    service_errors.NetworkFileSystem,
    service_errors.AddressRefused,
    service_errors.BucketForeign,
    service_errors.BlobsElsewhere,
    service_errors.MoveRefused,
    service_errors.HostNotAlone,
    service_errors.HostReplaced,
    service_errors.HistoryReplaced,
}
"""Only commands that work on the data directory itself meet these, or a start that fails, or a host
that must not go on; an address that is refused is a fault of a webhook that is refused."""
ONLY_IN_THE_CONSOLE = {
    service_errors.SignInRequired,
    service_errors.SignInLinkRefused,
    service_errors.CrossSiteRequest,
    service_errors.TokenShown,
    service_errors.PolicyConflict,
    service_errors.DescriptionConflict,
}
ONLY_IN_OTHER_PROTOCOLS = {
    service_errors.NotOffered,
    service_errors.NotServed,
    service_errors.SearchMalformed,
    service_errors.PathMalformed,
    service_errors.UploadNotFound,
    service_errors.UploadsFull,
}


def all_kinds(base: type[RegistryError]) -> list[type[RegistryError]]:
    return [kind for below in base.__subclasses__() for kind in (below, *all_kinds(below))]


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in all_kinds(RegistryError)
        if kind not in NEVER_OVER_HTTP | ONLY_IN_THE_CONSOLE | ONLY_IN_OTHER_PROTOCOLS
    ],
    ids=lambda kind: kind.__name__,
)
def test_each_problem_type_of_the_service_has_its_class(kind: type[RegistryError]) -> None:
    status, slug = status_of(kind), slug_of(kind)
    problem = {"type": f"/problems/{slug}", "title": "No", "status": status, "detail": "No."}
    error = problems.problem_reply(problem, status)
    is_plain = kind in RegistryError.__subclasses__()
    assert type(error) is problems.BY_SLUG.get(slug, type(error))
    assert is_plain or type(error).__name__ == kind.__name__, "add it to client/hotswap/problems.py"


def test_an_unknown_type_becomes_the_class_of_its_status() -> None:
    error = problems.problem_reply({"type": "/problems/moon-full", "title": "No"}, 409)
    assert type(error) is Conflict
    assert error.slug == "moon-full"


def test_a_status_that_contradicts_the_type_takes_precedence() -> None:
    error = problems.problem_reply({"type": "/problems/version-not-found", "title": "No"}, 409)
    assert type(error) is Conflict
    assert issubclass(problems.VersionNotFound, NotFound)
    assert type(problems.problem_reply({"title": "Teapot"}, 418)) is ProblemReply


def test_a_failed_gate_has_the_result_of_every_gate() -> None:
    gates = [{"gate": "rmse <= champion", "passed": False, "candidate": 3.0, "champion": 2.0}]
    problem = {"type": "/problems/gate-failed", "title": "No", "gates": gates}
    error = problems.problem_reply(problem, 409)
    assert isinstance(error, problems.GateFailed)
    assert error.gates == gates
