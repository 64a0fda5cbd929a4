"""What callers poll: an unchanged response is answered with 304."""

import pytest
from sqlalchemy import event

from tests.integration.api.conftest import check_problem
from tests.marks import third_fast

PATHS = ["/models/{}", "/models/{}/aliases", "/models/{}/history", "/models/{}/history?page_size=1"]


def tag_of(caller, path, name):
    answer = caller.get(path.format(name))
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "Authorization" in answer.headers["Vary"]
    return answer.headers["ETag"]


def again(caller, path, name, tag):
    return caller.get(path.format(name), headers={"If-None-Match": tag})


@pytest.mark.parametrize("path", PATHS)
def test_an_unchanged_response_is_not_sent_again(admin, uploaded, path):
    name, _ = uploaded
    admin.promote(name, 1)
    tag = tag_of(admin, path, name)

    for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        answer = again(admin, path, name, known)
        assert (answer.status_code, answer.data) == (304, b"")
        assert answer.headers["ETag"] == tag
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert "Content-Type" not in answer.headers
    assert again(admin, path, name, '"other"').json == admin.get(path.format(name)).json


CHANGES = {
    "promotion": lambda admin, name: admin.promote(name, 2),
    "same version under another alias": lambda admin, name: admin.put(
        f"/models/{name}/aliases/canary", json={"version": 1}
    ),
    "rollback": lambda admin, name: admin.post(f"/models/{name}/rollback", json={"to_version": 3}),
    "deleted alias": lambda admin, name: admin.delete(f"/models/{name}/aliases/production"),
    "description": lambda admin, name: admin.patch(f"/models/{name}", json={"description": "new"}),
    "tags": lambda admin, name: admin.patch(f"/models/{name}", json={"tags": {"team": "risk"}}),
    "upload": lambda admin, name: admin.upload(name, admin.artifact),
    "archived version": lambda admin, name: admin.delete(f"/models/{name}/2"),
    "archived model": lambda admin, name: admin.delete(f"/models/{name}"),
}


@pytest.mark.parametrize("change", third_fast(CHANGES))
def test_every_change_gives_another_tag(admin, uploaded, artifacts, change):
    name, _ = uploaded
    for version in (3, 1):
        admin.promote(name, version)
    admin.artifact = artifacts["line-1"]
    tags = {path: tag_of(admin, path, name) for path in PATHS}
    bodies = {path: admin.get(path.format(name)).json for path in PATHS}

    answer = CHANGES[change](admin, name)

    assert answer.status_code < 300, answer.text
    changed = []
    for path, tag in tags.items():
        answer = again(admin, path, name, tag)
        assert answer.status_code == 200, path
        changed += [path] if answer.json != bodies[path] else []
    assert "/models/{}/history" in changed


def test_what_changes_another_model_gives_no_other_tag(admin, uploaded):
    name, _ = uploaded
    tags = {path: tag_of(admin, path, name) for path in PATHS}
    admin.post("/models", json={"name": f"{name}-other"})
    for path, tag in tags.items():
        assert again(admin, path, name, tag).status_code == 304


def test_a_tag_holds_in_every_worker(make_app, artifacts):
    """Two apps on one data directory, as two workers are."""
    one = make_app()
    one.admin.upload("m", artifacts["line-1"])
    other = make_app(data=one.data)
    for path in ("/models/{}", "/models/{}/history"):
        tag = tag_of(one.admin, path, "m")
        assert tag_of(other.admin, path, "m") == tag
        assert one.admin.patch("/models/m", json={"description": path}).status_code == 200
        assert again(other.admin, path, "m", tag).status_code == 200


def test_a_version_that_is_loaded_gives_the_aliases_another_tag(service, admin, uploaded):
    name, _ = uploaded
    admin.promote(name, 1)
    path = "/models/{}/aliases"
    tag = tag_of(admin, path, name)
    assert again(admin, path, name, tag).status_code == 304
    admin.post(f"/models/{name}/3/predict", json={"input": [1]})
    assert again(admin, path, name, tag).status_code == 200


def test_a_tag_does_not_open_what_a_token_may_not_see(service, admin, uploaded):
    name, _ = uploaded
    holder = service.caller("predict", models=["none-of-these"])
    for path in PATHS:
        tag = tag_of(admin, path, name)
        check_problem(again(holder, path, name, tag), 403, "model-forbidden")
        check_problem(again(service.stranger(), path, name, tag), 401, "unauthenticated")
        reader = service.caller("predict", models=[name])
        assert again(reader, path, name, tag).status_code == 304


@pytest.mark.parametrize("path", PATHS)
def test_a_model_that_does_not_exist_is_404_whatever_tag_is_sent(admin, path):
    check_problem(again(admin, path, "nobody", "*"), 404, "model-not-found")
    check_problem(again(admin, path, "-", "*"), 400, "name-malformed")


@pytest.mark.parametrize("path", PATHS)
def test_an_unchanged_response_takes_one_statement(service, admin, uploaded, path):
    name, _ = uploaded
    admin.promote(name, 1)
    tag = tag_of(admin, path, name)
    sent = []

    def note(connection, cursor, statement, *_):
        sent.append(statement)

    engine = service.services.database.reading_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        assert again(admin, path, name, tag).status_code == 304
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert len([one for one in sent if one.startswith("SELECT")]) == 1, sent


def test_the_document_describes_tags(admin):
    paths = admin.get("/openapi.json").json["paths"]
    for path in ("/models/{name}", "/models/{name}/aliases", "/models/{name}/history"):
        operation = paths[path]["get"]
        assert "ETag" in operation["responses"]["200"]["headers"]
        assert "304" in operation["responses"]
        assert "If-None-Match" in {one["name"] for one in operation["parameters"]}
