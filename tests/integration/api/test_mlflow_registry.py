"""MLflow's registry calls: what its clients send, and what they read of the answers."""

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from tests.integration.api.conftest import check_error_code, check_problem, new_name

BASE = "/api/2.0/mlflow"
ACTOR = "admin (HOTSWAP_ADMIN_TOKEN)"


class Client:
    """Sends as MLflow's client does: arguments of a GET in the query, others as JSON."""

    def __init__(self, caller):
        self.caller = caller

    def ask(self, method, call, **arguments):
        if method == "GET":
            query = urlencode(arguments, doseq=True)
            return self.caller.get(f"{BASE}/{call}?{query}")
        return self.caller.ask(method, f"{BASE}/{call}", json=arguments)

    def __call__(self, method, call, **arguments):
        answer = self.ask(method, call, **arguments)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/json"
        return answer.json

    def search(self, what="registered-models", **arguments):
        """The names, or names and versions, that a search finds."""
        key = what.replace("-", "_")
        found = self("GET", f"{what}/search", **arguments).get(key, [])
        return [
            f"{one['name']}/{one['version']}" if "version" in one else one["name"] for one in found
        ]

    def refused(self, method, call, status, code, **arguments):
        """The message of an error."""
        answer = self.ask(method, call, **arguments)
        assert answer.status_code == status, answer.text
        assert answer.json["error_code"] == code
        return answer.json["message"]


@pytest.fixture
def mlflow(admin):
    return Client(admin)


@pytest.fixture
def lines(admin, artifacts, fresh_name):
    """A model with three versions."""
    for _ in range(3):
        assert admin.upload(fresh_name, artifacts["line-1"]).status_code == 201
    return fresh_name


def last_event(admin, name):
    return admin.get(f"/models/{name}/history?page_size=1").json["items"][0]


def test_a_model_is_created_once(mlflow, admin, fresh_name):
    tags = [{"key": "k", "value": "v"}, {"key": "empty"}]
    made = mlflow(
        "POST", "registered-models/create", name=fresh_name, tags=tags, description="d", extra=1
    )

    model = made["registered_model"]
    created = model["creation_timestamp"]
    assert isinstance(created, int)
    assert model == {
        "name": fresh_name,
        "creation_timestamp": created,
        "last_updated_timestamp": created,
        "user_id": ACTOR,
        "description": "d",
        "tags": [{"key": "empty", "value": ""}, {"key": "k", "value": "v"}],
    }
    assert mlflow("GET", "registered-models/get", name=fresh_name) == made
    create = ("POST", "registered-models/create", 400, "RESOURCE_ALREADY_EXISTS")
    taken = f"Registered Model (name={fresh_name}) already exists."
    assert mlflow.refused(*create, name=fresh_name) == taken
    assert "regardless of case" in mlflow.refused(*create, name=fresh_name.upper())
    event = last_event(admin, fresh_name)
    assert (event["type"], event["details"]) == ("model_created", {"via": "mlflow"})

    assert mlflow("DELETE", "registered-models/delete", name=fresh_name) == {}
    assert mlflow.refused(*create, name=fresh_name).startswith(taken)
    assert last_event(admin, fresh_name)["details"] == {"aliases": {}, "via": "mlflow"}


def test_what_is_not_there_or_archived_is_404(mlflow, admin, lines):
    admin.delete(f"/models/{lines}/3")
    missing = "RESOURCE_DOES_NOT_EXIST"
    for version in ("3", "9", "0", "-1", "99999999999999"):
        for method, call in [
            ("GET", "get"),
            ("PATCH", "update"),
            ("DELETE", "delete"),
            ("POST", "transition-stage"),
        ]:
            message = mlflow.refused(
                method, f"model-versions/{call}", 404, missing, name=lines, version=version
            )
            assert message == f"Model Version (name={lines}, version={version}) not found"
        target = {"name": lines, "version": version, "alias": "a", "key": "k"}
        for method, call in [
            ("POST", "registered-models/alias"),
            ("POST", "model-versions/set-tag"),
            ("DELETE", "model-versions/delete-tag"),
        ]:
            assert "not found" in mlflow.refused(method, call, 404, missing, **target)
    calls = {
        "get": "GET",
        "update": "PATCH",
        "rename": "POST",
        "delete": "DELETE",
        "set-tag": "POST",
        "delete-tag": "DELETE",
        "get-latest-versions": "POST",
        "alias": "GET",
    }
    mlflow("DELETE", "registered-models/delete", name=lines)
    for name in ("nobody", lines):
        for call, method in calls.items():
            message = mlflow.refused(
                method, f"registered-models/{call}", 404, missing, name=name, key="k", alias="a"
            )
            assert message == f"Registered Model with name={name} not found"


def test_faults_of_a_request_are_400(mlflow, admin, lines):
    wrong = "INVALID_PARAMETER_VALUE"
    message = mlflow.refused("POST", "registered-models/create", 400, wrong)
    assert "Missing value for required parameter 'name'" in message
    for name in (3, ["a"], "a b", "", "x" * 129, "\x00"):
        mlflow.refused("POST", "registered-models/create", 400, wrong, name=name)
    message = mlflow.refused("GET", "model-versions/get", 400, wrong, name=lines, version="abc")
    assert message == "Parameter 'version' must be an integer, got 'abc'."
    mlflow.refused("PATCH", "model-versions/update", 400, wrong, name=lines, version=1)
    for tag in ({"key": "", "value": "v"}, {"key": "k" * 201}, {"key": "k", "value": "v" * 1001}):
        mlflow.refused("POST", "registered-models/set-tag", 400, wrong, name=lines, **tag)
    many = [{"key": str(at)} for at in range(101)]
    mlflow.refused("POST", "registered-models/create", 400, wrong, name="fresh", tags=many)
    for body in (b"[]", b"{", b"\xff", b'{"name": "\\ud800"}', b"[" * 5_000):
        answer = admin.post(f"{BASE}/registered-models/create", data=body)
        assert (answer.status_code, answer.json["error_code"]) == (400, wrong)
    for alias in ("1", "a b", "latest", "LATEST", "v1", "predict", ""):
        mlflow.refused(
            "POST", "registered-models/alias", 400, wrong, name=lines, version="1", alias=alias
        )


def test_unknown_calls_are_answered_in_the_same_form(mlflow, admin, service):
    mlflow.refused("POST", "webhooks", 404, "ENDPOINT_NOT_FOUND")
    for path in ("mpu/create/uploads/x", "presigned/uploads/x"):
        answer = admin.post(f"/api/2.0/mlflow-artifacts/{path}")
        assert (answer.status_code, answer.json["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    answer = admin.get(f"{BASE}/registered-models/create")
    assert (answer.status_code, answer.json["error_code"]) == (405, "ENDPOINT_NOT_FOUND")
    assert "POST" in answer.headers["Allow"]
    answer = service.stranger().get(f"{BASE}/registered-models/search")
    assert (answer.status_code, answer.json["error_code"]) == (401, "UNAUTHENTICATED")
    assert service.stranger().get("/api/3.0/mlflow/server-info").json["store_type"] == "Hotswap"


def test_a_token_sees_and_changes_its_models_only(service, admin, lines):
    other = Client(service.caller("admin", models=["other-*"]))
    own = Client(service.caller("admin", models=[lines]))
    for client, status in ((other, 403), (own, 200)):
        for method, call in [
            ("GET", "registered-models/get"),
            ("PATCH", "registered-models/update"),
            ("DELETE", "model-versions/delete"),
            ("DELETE", "registered-models/delete"),
        ]:
            answer = client.ask(method, call, name=lines, version="3")
            assert answer.status_code == status, answer.text
            if status == 403:
                assert check_error_code(answer, 403, "model-forbidden")
                assert answer.json["error_code"] == "PERMISSION_DENIED"
    assert other.search(filter=f"name = '{lines}'") == []
    assert other.search("model-versions", filter=f"name = '{lines}'") == []


def test_a_version_is_read_and_described(mlflow, admin, lines):
    version = {"name": lines, "version": "2"}
    model = mlflow("GET", "registered-models/get", name=lines)["registered_model"]
    row = mlflow("GET", "model-versions/get", **version)["model_version"]
    times = {key: row[key] for key in ("creation_timestamp", "last_updated_timestamp")}
    assert times["creation_timestamp"] == times["last_updated_timestamp"]
    assert row == {
        **version,
        **times,
        "user_id": ACTOR,
        "current_stage": "None",
        "description": "",
        "source": f"hotswap:/{lines}/2",
        "run_id": "",
        "run_link": "",
        "status": "READY",
    }

    mlflow("POST", "model-versions/set-tag", **version, key="k", value="v")
    tagged = mlflow("GET", "model-versions/get", **version)["model_version"]
    assert tagged == {**row, "tags": [{"key": "k", "value": "v"}]}
    assert last_event(admin, lines)["details"] == {"via": "mlflow"}
    changed = mlflow("PATCH", "model-versions/update", **version, description="d")
    assert changed["model_version"]["description"] == "d"
    assert changed["model_version"]["last_updated_timestamp"] > times["creation_timestamp"]
    for _ in range(2):
        assert mlflow("DELETE", "model-versions/delete-tag", **version, key="k") == {}
    assert "tags" not in mlflow("GET", "model-versions/get", **version)["model_version"]

    latest = model["latest_versions"]
    assert [one["version"] for one in latest] == ["3"]
    assert mlflow("POST", "registered-models/get-latest-versions", name=lines) == {
        "model_versions": latest
    }
    found = mlflow("GET", "registered-models/get-latest-versions", name=lines, stages=["None"])
    assert found == {"model_versions": latest}
    stages = ["Production", "Staging"]
    assert mlflow("GET", "registered-models/get-latest-versions", name=lines, stages=stages) == {}


def test_a_model_is_changed_tag_by_tag(mlflow, lines):
    before = mlflow("GET", "registered-models/get", name=lines)["registered_model"]
    for key in ("a", "b"):
        assert mlflow("POST", "registered-models/set-tag", name=lines, key=key, value=key) == {}
    mlflow("POST", "registered-models/set-tag", name=lines, key="a", value="")
    for _ in range(2):
        assert mlflow("DELETE", "registered-models/delete-tag", name=lines, key="b") == {}
    after = mlflow("GET", "registered-models/get", name=lines)["registered_model"]
    assert after == {**before, "tags": [{"key": "a", "value": ""}]}

    changed = mlflow("PATCH", "registered-models/update", name=lines, description="d")
    assert changed["registered_model"]["description"] == "d"
    updated = changed["registered_model"]["last_updated_timestamp"]
    assert updated > before["last_updated_timestamp"]
    mlflow("DELETE", "model-versions/delete", name=lines, version="3")
    after = mlflow("GET", "registered-models/get", name=lines)["registered_model"]
    assert after["last_updated_timestamp"] > updated
    assert after["latest_versions"][0]["version"] == "2"
    for number in range(99):
        mlflow("POST", "registered-models/set-tag", name=lines, key=str(number))
    message = mlflow.refused(
        "POST", "registered-models/set-tag", 400, "INVALID_PARAMETER_VALUE", name=lines, key="more"
    )
    assert "100 tags" in message


def test_an_alias_is_a_promotion(mlflow, admin, lines):
    """It is the same operation: in the history, and served at once."""
    target = {"name": lines, "alias": "Champion", "version": "2"}
    assert mlflow("POST", "registered-models/alias", **target) == {}

    event = last_event(admin, lines)
    assert (event["type"], event["actor"], event["to_version"]) == ("promoted", ACTOR, 2)
    assert event["details"] == {"via": "mlflow"}
    served = admin.post(f"/models/{lines}/Champion/predict", json={"input": [4]})
    assert served.json["version"] == 2
    found = mlflow("GET", "registered-models/alias", name=lines, alias="Champion")
    assert (found["model_version"]["version"], found["model_version"]["aliases"]) == (
        "2",
        ["Champion"],
    )
    model = mlflow("GET", "registered-models/get", name=lines)["registered_model"]
    assert model["aliases"] == [{"alias": "Champion", "version": "2"}]

    other = {**target, "alias": "champion"}
    message = mlflow.refused("POST", "registered-models/alias", 409, "RESOURCE_CONFLICT", **other)
    assert "only in case" in message
    message = mlflow.refused(
        "GET", "registered-models/alias", 400, "INVALID_PARAMETER_VALUE", name=lines, alias="nope"
    )
    assert message == "Registered model alias nope not found."
    message = mlflow.refused(
        "DELETE", "model-versions/delete", 409, "RESOURCE_CONFLICT", name=lines, version="2"
    )
    assert "'Champion'" in message

    alias = {"name": lines, "alias": "Champion"}
    for _ in range(2):
        assert mlflow("DELETE", "registered-models/alias", **alias) == {}
    assert last_event(admin, lines)["details"] == {"via": "mlflow"}
    check_problem(admin.get(f"/models/{lines}/Champion"), 404, "version-not-found")
    assert mlflow("DELETE", "model-versions/delete", name=lines, version="2") == {}
    assert last_event(admin, lines)["details"] == {"via": "mlflow"}


def test_an_alias_is_deleted_by_several_at_once(mlflow, admin, lines):
    alias = {"name": lines, "alias": "spare"}
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            mlflow("POST", "registered-models/alias", version="1", **alias)
            deletions = [
                threads.submit(mlflow, "DELETE", "registered-models/alias", **alias)
                for _ in range(4)
            ]
            assert [each.result() for each in deletions] == [{}] * 4
    assert admin.get(f"/models/{lines}").json["aliases"] == {}


def test_an_alias_passes_the_gates_of_the_model(mlflow, admin, lines):
    answer = admin.put(f"/models/{lines}/policy", json={"gates": ["engine in scikit-learn"]})
    assert answer.status_code == 200
    target = {"name": lines, "alias": "production", "version": "1"}

    message = mlflow.refused("POST", "registered-models/alias", 409, "RESOURCE_CONFLICT", **target)

    assert "nothing was changed" in message
    assert admin.get(f"/models/{lines}").json["aliases"] == {}


def test_stages_and_renaming_are_refused(mlflow, lines):
    wrong = "INVALID_PARAMETER_VALUE"
    stage = {"name": lines, "version": "1", "stage": "Production"}
    assert "alias" in mlflow.refused("POST", "model-versions/transition-stage", 400, wrong, **stage)
    new = {"name": lines, "new_name": "other"}
    assert "copy" in mlflow.refused("POST", "registered-models/rename", 400, wrong, **new)


@pytest.fixture(scope="module")
def shop(module_app, artifacts):
    """Three models, one of which has two versions; with tags."""
    service = module_app()
    client = Client(service.admin)
    for name, tags in (("Boots", {"a": "X%_y"}), ("books", {"a": "x", "b c": "1"}), ("bags", {})):
        listed = [{"key": key, "value": value} for key, value in tags.items()]
        client("POST", "registered-models/create", name=name, tags=listed)
    service.admin.upload("books", artifacts["line-1"])
    service.admin.upload("books", artifacts["line-1"])
    service.admin.upload("Boots", artifacts["line-1"])
    client("POST", "model-versions/set-tag", name="books", version="1", key="a", value="x")
    client("PATCH", "model-versions/update", name="books", version="1", description="d")
    return client


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["bags", "books", "Boots"]),
        ("name = 'books'", ["books"]),
        ("name != 'books'", ["bags", "Boots"]),
        ("name LIKE 'b%'", ["bags", "books"]),
        ("name LIKE 'b_o%'", ["books"]),
        ("name ILIKE 'B%'", ["bags", "books", "Boots"]),
        ("name LIKE '*'", []),
        ("name ILIKE '\\%'", []),
        ("tags.a = 'x'", ["books"]),
        ("tags.a != 'x'", ["Boots"]),
        ("tags.a LIKE 'X%'", ["Boots"]),
        ("tags.a ILIKE 'X%'", ["books", "Boots"]),
        ("tags.`b c` = '1' AND name LIKE 'b%'", ["books"]),
        ("name LIKE 'b%' AND tag.`mlflow.prompt.is_prompt` != 'true'", ["bags", "books"]),
        ("tags.`mlflow.prompt.is_prompt` = 'false'", ["bags", "books", "Boots"]),
        ("tags.`mlflow.prompt.is_prompt` = 'true'", []),
        ("tags.a = '1'' OR 1=1'", None),
        ("owner = 'x'", None),
    ],
)
def test_models_are_searched(shop, text, found):
    if found is None:
        shop.refused("GET", "registered-models/search", 400, "INVALID_PARAMETER_VALUE", filter=text)
    else:
        assert shop.search(filter=text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["books/1", "Boots/1", "books/2"]),
        ("name = 'books'", ["books/1", "books/2"]),
        ("name LIKE 'B%'", ["Boots/1"]),
        ("version_number > 1", ["books/2"]),
        ("version_number != 99999999999", ["books/1", "Boots/1", "books/2"]),
        ("tags.a = 'x'", ["books/1"]),
        ("run_id = ''", ["books/1", "Boots/1", "books/2"]),
        ("run_id IN ('a', 'b')", []),
        ("run_id NOT IN ('a')", ["books/1", "Boots/1", "books/2"]),
        ("source_path = 'hotswap:/books/2'", ["books/2"]),
        ("source_path LIKE 'hotswap:/B%'", ["Boots/1"]),
    ],
)
def test_versions_are_searched(shop, text, found):
    assert shop.search("model-versions", filter=text) == found


def test_searches_are_ordered(shop):
    assert shop.search(order_by=["name DESC"]) == ["Boots", "books", "bags"]
    assert shop.search(order_by=["timestamp DESC"])[0] == "Boots"
    numbers = ["version_number ASC", "name DESC"]
    assert shop.search("model-versions", order_by=numbers) == ["Boots/1", "books/1", "books/2"]
    for wrong in (["owner"], ["name up"], ["name", "name DESC"]):
        shop.refused(
            "GET", "registered-models/search", 400, "INVALID_PARAMETER_VALUE", order_by=wrong
        )


@pytest.mark.parametrize(
    ("what", "key"),
    [("registered-models", "registered_models"), ("model-versions", "model_versions")],
)
def test_searches_have_pages(shop, what, key):
    whole, found, token = shop.search(what), [], ""
    while True:
        page = shop("GET", f"{what}/search", max_results=1, page_token=token)
        found += page[key]
        if "next_page_token" not in page:
            break
        token = page["next_page_token"]
    assert len(found) == len(whole) == 3
    wrong = "INVALID_PARAMETER_VALUE"
    for bad in ("x", "%%%", "é", "eyJvIjotMX0", "eyJvIjoxMDAwMDAwMDAwMDAwfQ", "W10"):
        shop.refused("GET", f"{what}/search", 400, wrong, page_token=bad)
    for most in ("0", "-1", "x", "1.5", "200001"):
        shop.refused("GET", f"{what}/search", 400, wrong, max_results=most)


def test_archived_models_and_versions_are_in_no_search(mlflow, lines):
    only = {"filter": f"name = '{lines}'"}
    mlflow("DELETE", "model-versions/delete", name=lines, version="3")
    assert mlflow.search("model-versions", **only) == [f"{lines}/2", f"{lines}/1"]
    mlflow("DELETE", "registered-models/delete", name=lines)
    assert mlflow.search(**only) == mlflow.search("model-versions", **only) == []


def test_the_content_type_is_ignored(admin, fresh_name):
    body = json.dumps({"name": fresh_name}).encode()
    answer = admin.post(f"{BASE}/registered-models/create", data=body, content_type="text/plain")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("call", "of", "status"),
    [
        ("registered-models/alias", {"alias": "spare"}, 200),
        ("model-versions/delete", {"version": "1"}, 404),
        ("registered-models/delete", {}, 404),
    ],
)
def test_a_repeated_deletion_waits_for_other_hosts_before_it_is_answered(
    make_app, artifacts, call, of, status
):
    service, name = make_app(), new_name()
    service.admin.upload(name, artifacts["line-1"])
    mlflow, called = Client(service.admin), []
    mlflow("POST", "registered-models/alias", name=name, alias="spare", version="1")
    mlflow("DELETE", "registered-models/alias", name=name, alias="spare")
    if of != {"alias": "spare"}:
        mlflow("DELETE", call, name=name, **of)
    service.services.database.confirmed = lambda: called.append("confirmed")

    assert mlflow.ask("DELETE", call, name=name, **of).status_code == status
    assert called == ["confirmed"]
