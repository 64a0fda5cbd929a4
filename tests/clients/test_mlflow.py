"""MlflowClient, unmodified: the calls of its registry, good and bad."""

import pytest
from conftest import ADMIN_TOKEN, House, call
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException

IRIS = "iris"


@pytest.fixture
def client(house: House, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", ADMIN_TOKEN)
    return MlflowClient(tracking_uri=house.url, registry_uri=house.url)


def refused(code: str, function, *arguments) -> str:
    with pytest.raises(MlflowException) as caught:
        function(*arguments)
    assert caught.value.error_code == code
    return caught.value.message


def versions(client: MlflowClient, text: str, **more) -> list[tuple[str, str]]:
    return [(one.name, one.version) for one in client.search_model_versions(text, **more)]


def test_a_model_is_created_described_and_deleted(client):
    made = client.create_registered_model("clients-a", tags={"k": "v"}, description="d")
    assert (made.name, made.tags, made.description) == ("clients-a", {"k": "v"}, "d")
    assert isinstance(made.creation_timestamp, int)
    taken = refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, "clients-a")
    assert "Registered Model (name=clients-a) already exists." in taken

    assert client.update_registered_model("clients-a", "e").description == "e"
    client.set_registered_model_tag("clients-a", "other", "")
    client.delete_registered_model_tag("clients-a", "k")
    client.delete_registered_model_tag("clients-a", "never")
    found = client.get_registered_model("clients-a")
    assert (found.description, found.tags) == ("e", {"other": ""})
    assert found.latest_versions == []

    client.delete_registered_model("clients-a")
    gone = refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "clients-a")
    assert "Registered Model with name=clients-a not found" in gone
    refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, "clients-a")
    refused("INVALID_PARAMETER_VALUE", client.create_registered_model, "a b")
    refused("INVALID_PARAMETER_VALUE", client.rename_registered_model, IRIS, "other")


def test_a_version_is_read_tagged_and_described(client):
    before = client.get_model_version(IRIS, "1")
    assert (before.status, before.current_stage, before.run_id) == ("READY", "None", "")
    assert before.source == "hotswap:/iris/1"

    assert client.update_model_version(IRIS, "1", "d").description == "d"
    client.set_model_version_tag(IRIS, "1", "k", "v")
    after = client.get_model_version(IRIS, "1")
    assert (after.description, after.tags) == ("d", {**before.tags, "k": "v"})
    assert after.last_updated_timestamp > before.last_updated_timestamp
    client.delete_model_version_tag(IRIS, "1", "k")
    assert client.get_model_version(IRIS, "1").tags == before.tags

    missing = refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, IRIS, "99")
    assert "Model Version (name=iris, version=99) not found" in missing
    wrong = refused("INVALID_PARAMETER_VALUE", client.get_model_version, IRIS, "abc")
    assert "Parameter 'version' must be an integer, got 'abc'." in wrong


def test_an_alias_is_moved_by_a_promotion(client, house):
    client.set_registered_model_alias(IRIS, "Champion", "1")

    assert client.get_model_version_by_alias(IRIS, "Champion").version == "1"
    assert client.get_registered_model(IRIS).aliases["Champion"] == "1"
    assert "Champion" in client.get_model_version(IRIS, "1").aliases
    event = call(f"{house.url}/models/iris/history?page_size=1", ADMIN_TOKEN)["items"][0]
    assert (event["type"], event["alias"]) == ("promoted", "Champion")
    assert event["details"] == {"via": "mlflow"}
    refused("RESOURCE_CONFLICT", client.delete_model_version, IRIS, "1")
    refused("RESOURCE_CONFLICT", client.set_registered_model_alias, IRIS, "champion", "1")
    refused("RESOURCE_DOES_NOT_EXIST", client.set_registered_model_alias, IRIS, "a", "99")
    refused("INVALID_PARAMETER_VALUE", client.set_registered_model_alias, IRIS, "latest", "1")

    client.delete_registered_model_alias(IRIS, "Champion")
    client.delete_registered_model_alias(IRIS, "Champion")
    missing = refused(
        "INVALID_PARAMETER_VALUE", client.get_model_version_by_alias, IRIS, "Champion"
    )
    assert "Registered model alias Champion not found." in missing


def test_models_and_versions_are_searched_in_pages(client):
    for number in range(3):
        client.create_registered_model(f"clients-page-{number}", tags={"my key": "Yes"})
    text = "name LIKE 'clients-page-%' AND tags.`my key` ILIKE 'y%'"
    first = client.search_registered_models(text, max_results=2, order_by=["name DESC"])
    assert [one.name for one in first] == ["clients-page-2", "clients-page-1"]
    rest = client.search_registered_models(
        text, max_results=2, order_by=["name DESC"], page_token=first.token
    )
    assert ([one.name for one in rest], rest.token) == (["clients-page-0"], "")

    assert versions(client, "name = 'iris'") == [(IRIS, "1")]
    assert versions(client, "name = 'iris' AND version_number > 1") == []
    assert versions(client, "run_id IN ('a', 'b')") == []
    assert versions(client, "name = 'iris'", order_by=["version_number ASC"]) == [(IRIS, "1")]
    refused("INVALID_PARAMETER_VALUE", client.search_model_versions, "owner = 'x'")
    refused("INVALID_PARAMETER_VALUE", client.search_registered_models, None, 1001)


def test_stages_are_refused(client):
    with pytest.warns(FutureWarning, match="deprecated"):
        refused(
            "INVALID_PARAMETER_VALUE", client.transition_model_version_stage, IRIS, "1", "Staging"
        )
    with pytest.warns(FutureWarning, match="deprecated"):
        assert [one.version for one in client.get_latest_versions(IRIS)] == ["1"]


def test_a_token_without_the_scope_is_refused_at_once(house, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anybody")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", house.token)
    client = MlflowClient(tracking_uri=house.url, registry_uri=house.url)

    assert client.get_registered_model(IRIS).name == IRIS
    with pytest.raises(RestException, match="lacks the scope 'upload'"):
        client.create_registered_model("clients-b")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hsw_wrong")
    with pytest.raises(MlflowException, match="The token is not valid"):
        client.get_registered_model(IRIS)
