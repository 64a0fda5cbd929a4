"""The bodies of messages."""

import json
from datetime import UTC, datetime

from registry.deliveries.payloads import Happening, body_of

AT = datetime(2026, 11, 23, 12, 0, 1, 5000, tzinfo=UTC)
PROMOTED = Happening(
    seq=17,
    type="promoted",
    at=AT,
    model="housing",
    alias="production",
    from_version=3,
    to_version=4,
    reason="better",
)


def test_a_body_says_what_happened_and_where_to_read_more():
    assert json.loads(body_of(PROMOTED, "https://models.example.com/ml")) == {
        "type": "promoted",
        "timestamp": "2026-11-23T12:00:01.005Z",
        "data": {
            "event": 17,
            "model": "housing",
            "alias": "production",
            "from_version": 3,
            "to_version": 4,
            "reason": "better",
            "link": "https://models.example.com/ml/models/housing/4",
        },
    }


def test_a_link_is_a_path_where_the_address_of_the_service_is_not_configured():
    created = Happening(seq=1, type="model_created", at=AT, model="housing")
    token = Happening(seq=2, type="token_created", at=AT)

    links = [json.loads(body_of(one, ""))["data"]["link"] for one in (PROMOTED, created, token)]

    assert links == ["/models/housing/4", "/models/housing", "/history"]


def test_types_of_a_family_have_a_dot_and_a_test_is_named_as_such():
    held = Happening(seq=9, type="rollout_held", at=AT, model="housing", alias="production")
    test = Happening(seq=None, type="webhook.test", at=AT)

    assert json.loads(body_of(held, ""))["type"] == "rollout.held"
    assert json.loads(body_of(test, ""))["type"] == "webhook.test"


def test_the_same_event_has_the_same_body():
    assert body_of(PROMOTED, "") == body_of(PROMOTED, "")
