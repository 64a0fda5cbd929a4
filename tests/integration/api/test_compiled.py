"""The compiled forms of a version: their list, and their bytes by their hash."""

import hashlib

from tests.integration.api.conftest import check_problem
from tests.integration.registry.models import MODELS
from tests.integration.registry.onnx_exports import exported


def test_compiled_forms_are_listed_with_their_hashes_and_can_be_downloaded(admin, unchanged):
    name, _ = unchanged

    listed = admin.get(f"/models/{name}/2/compiled")

    assert listed.status_code == 200
    version = admin.get(f"/models/{name}/2").json
    assert listed.json["signature"] == version["signature"]
    assert listed.json["engine"] == version["engine"]
    assert set(listed.json["forms"]) >= {"columns", "linear"}
    for form, digest in listed.json["forms"].items():
        answer = admin.get(f"/models/{name}/2/compiled/{form}")
        assert answer.headers["ETag"] == f'"{digest}"'
        assert answer.headers["Content-Length"] == str(len(answer.data))
        assert hashlib.sha256(answer.data).hexdigest() == digest


def test_a_token_that_may_predict_can_download_the_forms_of_its_models_only(service, unchanged):
    name, _ = unchanged
    own, other = (service.caller("predict", models=[model]) for model in (name, "other"))
    for path in (f"/models/{name}/1/compiled", f"/models/{name}/1/compiled/linear"):
        assert own.get(path).status_code == 200
        check_problem(other.get(path), 403, "model-forbidden")


def test_an_unknown_form_is_404_and_the_detail_lists_the_available_ones(admin, unchanged):
    name, _ = unchanged
    problem = check_problem(admin.get(f"/models/{name}/1/compiled/forest"), 404, "form-not-found")
    assert "columns, linear" in problem["detail"]


def test_the_forms_of_an_archived_version_are_404(admin, uploaded):
    name, _ = uploaded
    admin.delete(f"/models/{name}/3")
    for path in ("compiled", "compiled/linear"):
        check_problem(admin.get(f"/models/{name}/3/{path}"), 404, "version-not-found")


def test_an_uploaded_onnx_file_has_no_compiled_form(admin, fresh_name):
    content = exported(MODELS["tree-classes"]).SerializeToString()
    admin.upload(fresh_name, content, filename="model.onnx")
    assert admin.get(f"/models/{fresh_name}/1/compiled").json["forms"] == {}
