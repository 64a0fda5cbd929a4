"""The keeper delivers the messages of webhooks."""

from standardwebhooks import Webhook

from config import Settings, parse_webhook_allow
from keeper.services import KeeperServices
from keeper.tasks import companions_of
from registry.deliveries.addresses import Allowed
from registry.deliveries.key_file import NAME, KeyFile
from registry.operations.create_webhook import create_webhook
from registry.operations.request_delivery import request_test
from registry.storage.schema import upgrade
from tests.receivers import Receiver


def test_the_keeper_delivers_with_the_settings_of_the_service(tmp_path):
    settings = Settings(
        data=tmp_path, webhook_allow="127.0.0.1", public_url="https://models.example.com"
    )
    (tmp_path / "run").mkdir()
    services = KeeperServices.build(settings)
    upgrade(services.database)
    with Receiver() as receiver:
        allowed = Allowed(*parse_webhook_allow(settings.webhook_allow))
        keys = KeyFile(tmp_path / NAME)
        made = create_webhook(services.database, keys, allowed, receiver.url(), ["*"], actor="ann")
        request_test(services.database, made["id"])
        companions = companions_of(services)
        for companion in companions:
            companion.start()
        (message,) = receiver.wait_for(1)
        for companion in companions:
            companion.close()
    services.close()

    body = Webhook(made["secret"]).verify(message.body, message.headers)
    assert body["type"] == "webhook.test"
    assert body["data"]["link"] == "https://models.example.com/history"
