"""What MLflow's own tests of a registry expect, in our words: docs/protocols.md counts them.

Compared with tests/tracking/test_model_registry.py of mlflow/mlflow. The registry is shared, so
searches look at the models of one test only.
"""

from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import mlflow
import numpy as np
import pytest
import skops.io
from conftest import ADMIN_TOKEN, House
from mlflow import MlflowClient
from sklearn.linear_model import LinearRegression
from test_mlflow import refused

from hotswap import Registry
from hotswap.mlflow_plugin.service import Service

FILTERS = {
    "none": (None, lambda _: True),
    "empty": ("", lambda _: True),
    "LIKE": ("name LIKE '%7'", lambda name: name.endswith("7")),
    "ILIKE": ("name ILIKE '%flow%00%'", lambda name: "00" in name),
    "LIKE in another case": ("name LIKE '%flow%00%'", lambda _: False),
    "unknown name": ("name = 'Flow'", lambda _: False),
    "one name": ("name = '{}003'", lambda name: name.endswith("003")),
}
PAGES = [1, 8, 100]
_numbers = count(1)


@pytest.fixture
def client(house: House, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", ADMIN_TOKEN)
    return MlflowClient(tracking_uri=house.url, registry_uri=house.url)


@pytest.fixture(scope="module")
def registry(house: House) -> Iterator[Registry]:
    with Registry(house.url, ADMIN_TOKEN) as made:
        yield made


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = np.arange(8.0).reshape(4, 2)
    path = tmp_path_factory.mktemp("model") / "model.skops"
    skops.io.dump(LinearRegression().fit(rows, rows.sum(axis=1)), path)
    return path


@pytest.fixture(scope="module")
def staged(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of the directory of a model, which is on the service until the tests end."""
    folder = tmp_path_factory.mktemp("staged") / "model"
    rows = np.arange(8.0).reshape(4, 2)
    model = LinearRegression().fit(rows, rows.sum(axis=1))
    mlflow.sklearn.save_model(model, folder, input_example=rows, pip_requirements=[])
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HOTSWAP_TOKEN", ADMIN_TOKEN)
        with Service(f"hotswap+{house.url}").staged(folder) as path:
            yield f"mlflow-artifacts:{path}"


@pytest.fixture
def name() -> str:
    return f"flow-{next(_numbers)}"


@pytest.fixture
def model(registry: Registry, artifact: Path, name: str) -> str:
    """A model with a version, which has no tags."""
    registry.upload(name, artifact)
    return name


@pytest.fixture(scope="module")
def many(house: House, registry: Registry, artifact: Path) -> tuple[str, list[str], list[str]]:
    """The beginning of the names of 29 models, these, and the versions of ten, oldest first.

    Four of the ten have two versions.
    """
    start = "ManyFLOW"
    names = [f"{start}{number:03}" for number in range(29)]
    for each in names:
        registry.create_model(each)
    versions = []
    for each in names[:10] + names[:4]:
        made = registry.upload(each, artifact).version
        versions.append(f"{each}/{made['version']}")
    return start, names, versions


def all_pages(search) -> list:
    """The results of ``search``, which is called with the token of each page."""
    found, token = [], None
    while True:
        page = search(token)
        found += page
        token = page.token
        if not token:
            return found


def references(found, start: str = "") -> list[str]:
    return [f"{one.name}/{one.version}" for one in found if one.name.startswith(start)]


def by_number(reference: str) -> int:
    return int(reference.partition("/")[2])


def test_a_new_model_is_found_by_get_and_by_each_search(client, name):
    client.create_registered_model(name, {"key": "v", "other key": "other", "number": 12345})

    found = client.get_registered_model(name)
    assert found.tags == {"key": "v", "other key": "other", "number": "12345"}
    assert (found.description, found.latest_versions) == ("", [])
    assert found.creation_timestamp == found.last_updated_timestamp
    for text in (None, "", f"name = '{name}'"):
        names = [one.name for one in all_pages(partial(_models, client, text))]
        assert names.count(name) == 1


def _models(client, text, token=None, most=100):
    return client.search_registered_models(text, max_results=most, page_token=token)


@pytest.mark.parametrize("most", PAGES)
@pytest.mark.parametrize("case", FILTERS)
def test_models_are_searched_in_pages_of_any_size(client, many, case, most):
    start, names, _ = many
    text, matches = FILTERS[case]
    text = text and text.format(start)

    found = all_pages(lambda token: _models(client, text, token, most))

    assert [one.name for one in found if one.name.startswith(start)] == list(filter(matches, names))


def test_a_description_changes_the_time_of_the_last_update(client, name):
    made = client.create_registered_model(name)
    client.update_registered_model(name, "a test")
    found = client.get_registered_model(name)
    assert found.description == "a test"
    assert found.creation_timestamp == made.creation_timestamp
    assert found.last_updated_timestamp > made.last_updated_timestamp


def test_a_refused_name_changes_nothing(client, name):
    client.create_registered_model(name)
    for wrong in (f"{name}-new", f"{name} 2"):
        refused("INVALID_PARAMETER_VALUE", client.rename_registered_model, name, wrong)
        with_wrong = [one.name for one in _models(client, f"name = '{wrong}'")]
        assert with_wrong == []
    assert client.get_registered_model(name).name == name


def test_a_deleted_model_is_gone_and_its_name_stays_taken(client, name):
    client.create_registered_model(name)
    refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, name)

    client.delete_registered_model(name)

    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, name)
    refused("RESOURCE_DOES_NOT_EXIST", client.rename_registered_model, name, "other")
    assert list(_models(client, f"name = '{name}'")) == []
    taken = refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, name)
    assert f"Registered Model (name={name}) already exists." in taken


def test_tags_of_a_model_are_set_and_deleted(client, name):
    client.create_registered_model(name)
    assert client.get_registered_model(name).tags == {}
    client.set_registered_model_tag(name, "key", "value")
    client.set_registered_model_tag(name, "number", 12345)
    assert client.get_registered_model(name).tags == {"key": "value", "number": "12345"}
    client.delete_registered_model_tag(name, "key")
    assert client.get_registered_model(name).tags == {"number": "12345"}


def test_a_tag_of_a_model_may_be_empty(client, name):
    client.create_registered_model(name)
    client.set_registered_model_tag(name, "key", "")
    assert client.get_registered_model(name).tags == {"key": ""}


def _versions(client, text=None, token=None, most=10_000, order_by=None):
    return client.search_model_versions(text, max_results=most, order_by=order_by, page_token=token)


@pytest.mark.parametrize("case", FILTERS)
def test_versions_are_searched_by_the_name_of_the_model(client, many, case):
    start, _, versions = many
    text, matches = FILTERS[case]

    found = all_pages(lambda token: _versions(client, text and text.format(start), token))

    expected = [each for each in versions[::-1] if matches(each.partition("/")[0])]
    assert references(found, start) == expected


@pytest.mark.parametrize("most", PAGES)
def test_versions_are_searched_in_pages_of_any_size(client, many, most):
    start, _, versions = many
    found = all_pages(lambda token: _versions(client, token=token, most=most))
    assert references(found, start) == versions[::-1]


@pytest.mark.parametrize(
    ("order_by", "expected"),
    [
        (None, lambda versions: versions[::-1]),
        (["name DESC"], lambda versions: sorted(versions, reverse=True)),
        (
            ["version_number DESC"],
            lambda versions: sorted(sorted(versions), key=by_number, reverse=True),
        ),
    ],
    ids=["default", "name", "version number"],
)
def test_versions_are_ordered(client, many, order_by, expected):
    start, _, versions = many
    found = all_pages(lambda token: _versions(client, token=token, order_by=order_by))
    assert references(found, start) == expected(versions)


def test_a_version_is_found_by_get_and_as_the_latest(client, registry, artifact, model):
    first = client.get_model_version(model, "1")
    assert (first.name, first.version, first.status) == (model, "1", "READY")
    found = client.search_registered_models(f"name = '{model}'")
    assert [one.latest_versions for one in found] == [[first]]

    registry.upload(model, artifact)

    second = client.get_model_version(model, "2")
    found = client.search_registered_models(f"name = '{model}'")
    assert [one.latest_versions for one in found] == [[second]]
    assert references(_versions(client, f"name = '{model}'")) == [f"{model}/2", f"{model}/1"]


def test_versions_are_made_tagged_and_found_by_their_source_and_run(client, staged, name):
    tags = {"key": "v", "other key": "other", "number": 12345}
    runs = [f"{name}-a", f"{name}-a", f"{name}-b"]
    client.create_registered_model(name)
    made = [client.create_model_version(name, staged, run, tags) for run in runs]

    assert [(one.name, one.version) for one in made] == [(name, "1"), (name, "2"), (name, "3")]
    first = client.get_model_version(name, "1")
    assert first.tags == made[0].tags == {"key": "v", "other key": "other", "number": "12345"}
    assert (first.source, first.run_id) == (staged, runs[0])
    by_source = _versions(client, f"source_path = '{staged}' AND name = '{name}'")
    assert references(by_source) == [f"{name}/3", f"{name}/2", f"{name}/1"]
    assert _versions(client, f"run_id = '{name}-a'") == [client.get_model_version(name, "2"), first]
    uri = client.get_model_version_download_uri(name, "1")
    assert uri.endswith(f"/api/2.0/mlflow-artifacts/artifacts/models/{name}/1")


def test_the_number_of_a_version_must_be_a_number(client, model):
    assert client.get_model_version(model, 1).version == "1"
    message = refused("INVALID_PARAMETER_VALUE", client.get_model_version, model, "not a number")
    assert message == (
        "INVALID_PARAMETER_VALUE: Parameter 'version' must be an integer, got 'not a number'."
    )


def test_a_new_version_changes_its_model_and_a_description_does_not(
    client, registry, artifact, name
):
    empty = client.create_registered_model(name)
    registry.upload(name, artifact)
    with_version = client.get_registered_model(name)
    assert with_version.creation_timestamp == empty.creation_timestamp
    assert with_version.last_updated_timestamp > empty.last_updated_timestamp
    before = client.get_model_version(name, "1")
    assert before.description == ""
    assert before.creation_timestamp == before.last_updated_timestamp

    client.update_model_version(name, 1, "a test")

    after = client.get_model_version(name, "1")
    assert after.description == "a test"
    assert after.creation_timestamp == before.creation_timestamp
    assert after.last_updated_timestamp > before.last_updated_timestamp
    model = client.get_registered_model(name)
    assert model.last_updated_timestamp == with_version.last_updated_timestamp


@pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning")
def test_the_latest_version_is_the_highest_since_none_has_a_stage(
    client, registry, artifact, model
):
    registry.upload(model, artifact)
    for stages in (None, [], ["None"], ["None", "Staging"]):
        latest = client.get_latest_versions(model, stages)
        assert [(one.version, one.current_stage) for one in latest] == [("2", "None")]
    assert client.get_latest_versions(model, ["Staging", "Production"]) == []


@pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning")
def test_a_deleted_version_is_gone_and_its_number_is_not_used_again(
    client, registry, artifact, model
):
    for _ in range(2):
        registry.upload(model, artifact)
    before = client.get_registered_model(model)
    assert [one.version for one in before.latest_versions] == ["3"]

    client.delete_model_version(model, "1")

    left = {one.version for one in _versions(client, f"name = '{model}'")}
    assert left == {"2", "3"}
    after = client.get_registered_model(model)
    assert after.creation_timestamp == before.creation_timestamp
    assert after.last_updated_timestamp > before.last_updated_timestamp
    gone = [
        (client.delete_model_version, model, "1"),
        (client.update_model_version, model, "1", "a test"),
        (client.transition_model_version_stage, model, "1", "Staging"),
    ]
    for call in gone:
        message = refused("RESOURCE_DOES_NOT_EXIST", *call)
        assert f"Model Version (name={model}, version=1) not found" in message

    client.delete_model_version(model, 3)
    assert registry.upload(model, artifact).version["version"] == 4
    left = {one.version for one in _versions(client, f"name = '{model}'")}
    assert left == {"2", "4"}


def test_tags_of_a_version_are_set_and_deleted(client, model):
    assert client.get_model_version(model, "1").tags == {}
    client.set_model_version_tag(model, "1", "key", "value")
    client.set_model_version_tag(model, "1", "number", 12345)
    assert client.get_model_version(model, "1").tags == {"key": "value", "number": "12345"}
    client.delete_model_version_tag(model, "1", "key")
    assert client.get_model_version(model, "1").tags == {"number": "12345"}


def test_a_tag_of_a_version_may_be_empty(client, model):
    client.set_model_version_tag(model, "1", "key", "")
    assert client.get_model_version(model, "1").tags == {"key": ""}


def test_an_alias_is_set_read_and_deleted(client, model):
    def seen() -> tuple[dict[str, str], list[str]]:
        aliases = client.get_registered_model(model).aliases
        return aliases, client.get_model_version(model, "1").aliases

    assert seen() == ({}, [])
    client.set_registered_model_alias(model, "an_alias", "1")
    assert seen() == ({"an_alias": "1"}, ["an_alias"])
    by_alias = client.get_model_version_by_alias(model, "an_alias")
    assert by_alias == client.get_model_version(model, "1")
    client.delete_registered_model_alias(model, "an_alias")
    assert seen() == ({}, [])


def test_a_version_is_copied(client, staged, name):
    client.create_registered_model(name)
    tags = {"hello": "world"}
    client.create_model_version(name, staged, "run-1", tags, description="a test")
    client.set_registered_model_alias(name, "an_alias", "1")

    copied = client.copy_model_version(f"models:/{name}@an_alias", name)

    assert (copied.name, copied.version) == (name, "2")
    found = client.get_model_version(name, 2)
    assert (found.source, found.run_id) == (f"models:/{name}/1", "run-1")
    assert (found.description, found.tags) == ("a test", tags)
    uri = client.get_model_version_download_uri(name, 2)
    assert uri.endswith(f"/models/{name}/2")
