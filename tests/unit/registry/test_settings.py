"""The settings: read once, each with a default and a line of help."""

import socket
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from config import ClientSettings, SettingInvalid, Settings


def test_defaults_match_the_contract():
    settings = Settings.from_environment({})

    assert settings == Settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.data == Path("artifacts")
    assert settings.max_upload_bytes == 512 * 2**20
    assert settings.max_predict_bytes == 16 * 2**20
    assert (settings.model_cache_mb, settings.log_level) == (1024, "info")
    assert settings.anonymous_predict is False
    assert settings.admin_token == ""


def test_every_setting_is_read_from_its_variable():
    settings = Settings.from_environment(
        {
            "HOTSWAP_DATA": "elsewhere",
            "HOTSWAP_DATABASE_URL": "postgresql://db/registry",
            "HOTSWAP_RUN": "/run/hotswap",
            "HOTSWAP_BLOBS_URL": "s3://models/registry/",
            "HOTSWAP_BLOBS_ENDPOINT": "http://seaweedfs:8333/",
            "HOTSWAP_BLOBS_CACHE_MB": "7",
            "HOTSWAP_LEASE_SECONDS": "60",
            "HOTSWAP_WITHOUT_LEASE": "serve",
            "HOTSWAP_HOST_NAME": "models-1",
            "HOTSWAP_HOST": "0.0.0.0",  # noqa: S104 - nothing listens in this test
            "HOTSWAP_PORT": "9000",
            "HOTSWAP_UDS": "/run/hotswap/http.sock",
            "HOTSWAP_UDS_MODE": "600",
            "HOTSWAP_WORKERS": "3",
            "HOTSWAP_ADMIN_TOKEN": "hsw_x",
            "HOTSWAP_ANONYMOUS_PREDICT": "1",
            "HOTSWAP_INVOCATIONS_MODEL": "iris/canary",
            "HOTSWAP_ALLOWED_HOSTS": "models.example.com",
            "HOTSWAP_TRUSTED_PROXIES": "10.0.0.0/8, unix",
            "HOTSWAP_PUBLIC_URL": "https://models.example.com/ml/",
            "HOTSWAP_WEBHOOK_ALLOW": "ci.internal, 10.1.0.0/16",
            "HOTSWAP_RATE_LIMIT": "100",
            "HOTSWAP_AUTH_FAILURES": "3",
            "HOTSWAP_MAX_UPLOAD_MB": "1",
            "HOTSWAP_MAX_PREDICT_MB": "2",
            "HOTSWAP_DECODING_MB": "64",
            "HOTSWAP_MODEL_CACHE_MB": "3",
            "HOTSWAP_MODEL_PROCESS_MB": "4",
            "HOTSWAP_MODEL_PROCESSES_MB": "5",
            "HOTSWAP_LOG_LEVEL": "DEBUG",
            "HOTSWAP_LOG_FORMAT": "text",
            "HOTSWAP_LOG_FILE": "hotswap.log",
            "HOTSWAP_ACCESS_LOG": "1",
            "HOTSWAP_CONSOLE": "0",
            "HOTSWAP_CONSOLE_HOURS": "8",
            "HOTSWAP_WATCH": "0",
            "HOTSWAP_TRACES": "1",
        }
    )

    default = Settings()
    unread = [
        s.name for s in fields(Settings) if getattr(settings, s.name) == getattr(default, s.name)
    ]
    assert unread == []
    assert settings.log_level == "debug"
    assert settings.public_url == "https://models.example.com/ml"
    assert settings.blobs_url == "s3://models/registry"
    assert settings.blobs_endpoint == "http://seaweedfs:8333"
    assert settings.blobs_cache_bytes == 7 * 2**20
    assert settings.anonymous_predict is True
    assert settings.effective_database_url == "postgresql://db/registry"


def test_settings_survive_the_way_to_a_child_process():
    settings = Settings(
        data=Path("d"), port=1, workers=2, anonymous_predict=True, admin_token="hsw_x"
    )

    assert Settings.from_environment(settings.to_environment()) == settings


@pytest.mark.parametrize(
    ("variables", "port"),
    [({"PORT": "1"}, 1), ({"PORT": "1", "HOTSWAP_PORT": "2"}, 2), ({"HOTSWAP_PORT": " "}, 8000)],
)
def test_our_own_variables_override_those_of_the_platform(variables, port):
    assert Settings.from_environment(variables).port == port


@pytest.mark.parametrize(
    ("variables", "host"),
    [
        ({"PORT": "1"}, "0.0.0.0"),  # noqa: S104 - nothing listens in this test
        ({"PORT": " "}, "127.0.0.1"),
        ({"PORT": "1", "HOTSWAP_PORT": "2"}, "127.0.0.1"),
        ({"PORT": "1", "HOTSWAP_HOST": "10.0.0.7"}, "10.0.0.7"),
    ],
)
def test_a_port_assigned_by_the_platform_is_reachable_from_other_machines(variables, host):
    assert Settings.from_environment(variables).host == host


def test_the_platform_s_database_is_used_unless_our_own_variable_names_one():
    platform = {"DATABASE_URL": "postgres://platform/registry"}
    ours = {"HOTSWAP_DATABASE_URL": "postgresql://ours/registry"}

    assert Settings.from_environment(platform).database_url == "postgres://platform/registry"
    assert Settings.from_environment(platform | ours).database_url == "postgresql://ours/registry"


def test_web_concurrency_sets_the_workers():
    assert Settings.from_environment({"WEB_CONCURRENCY": "5"}).worker_count == 5
    assert Settings().worker_count >= 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HOTSWAP_PORT", "http"),
        ("HOTSWAP_PORT", "-1"),
        ("HOTSWAP_PORT", "8.0"),
        ("HOTSWAP_WORKERS", "²"),
        ("HOTSWAP_ANONYMOUS_PREDICT", "yes"),
        ("HOTSWAP_LOG_LEVEL", "loud"),
        ("HOTSWAP_LOG_FORMAT", "xml"),
        ("HOTSWAP_TRUSTED_PROXIES", "-1"),
        ("HOTSWAP_TRUSTED_PROXIES", "nginx"),
        ("HOTSWAP_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("HOTSWAP_TRUSTED_PROXIES", "10.0.0.1,,10.0.0.2"),
        ("HOTSWAP_TRUSTED_PROXIES", "*"),
        ("HOTSWAP_TRUSTED_PROXIES", "0.0.0.0/0"),
        ("HOTSWAP_TRUSTED_PROXIES", "::/0"),
        ("HOTSWAP_WEBHOOK_ALLOW", "https://ci.internal"),
        ("HOTSWAP_WEBHOOK_ALLOW", "*.internal"),
        ("HOTSWAP_WEBHOOK_ALLOW", "10.1"),
        ("HOTSWAP_WEBHOOK_ALLOW", "10.0.0.1/8"),
        ("HOTSWAP_WEBHOOK_ALLOW", "ci.internal:8080"),
        ("HOTSWAP_WEBHOOK_ALLOW", "0.0.0.0/0"),
        ("HOTSWAP_WEBHOOK_ALLOW", "::/0"),
        ("HOTSWAP_PUBLIC_URL", "models.example.com"),
        ("HOTSWAP_PUBLIC_URL", "ftp://models.example.com"),
        ("HOTSWAP_PUBLIC_URL", "https://"),
        ("HOTSWAP_PUBLIC_URL", "https://user@models.example.com"),
        ("HOTSWAP_PUBLIC_URL", "https://models.example.com/?a=b"),
        ("HOTSWAP_PUBLIC_URL", "https://models.example.com/a/../b"),
        ("HOTSWAP_LEASE_SECONDS", "ten"),
        ("HOTSWAP_WITHOUT_LEASE", "wait"),
        ("HOTSWAP_HOST_NAME", "two words"),
        ("HOTSWAP_BLOBS_URL", "https://bucket"),
        ("HOTSWAP_BLOBS_URL", "s3://"),
        ("HOTSWAP_UDS_MODE", "rw-rw----"),
        ("HOTSWAP_UDS_MODE", "0888"),
        ("HOTSWAP_UDS_MODE", "66"),
        ("HOTSWAP_INVOCATIONS_MODEL", "iris/"),
        ("HOTSWAP_INVOCATIONS_MODEL", "/models/iris"),
    ],
)
def test_an_invalid_value_is_refused_by_the_name_of_its_variable(variable, value):
    with pytest.raises(SettingInvalid, match=variable):
        Settings.from_environment({variable: value})


def test_the_database_is_in_the_data_directory_by_default():
    url = Settings(data=Path("d")).effective_database_url

    assert url == f"sqlite:///{Path('d').resolve()}/registry.db"


def test_files_of_running_processes_are_in_the_data_directory_by_default():
    assert Settings(data=Path("d")).run_folder == Path("d/run")
    assert Settings(data=Path("d"), run="/run/hotswap").run_folder == Path("/run/hotswap")


def test_a_host_has_the_name_of_its_machine_by_default():
    assert Settings().effective_host_name == socket.gethostname()
    assert Settings(host_name="models-1").effective_host_name == "models-1"


def test_settings_are_immutable():
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1


def test_the_settings_of_the_client_are_read():
    assert ClientSettings.from_environment({}).url == "http://127.0.0.1:8000"
    assert ClientSettings.from_environment({"HOTSWAP_TOKEN": "hsw_x"}).token == "hsw_x"


def test_every_setting_has_a_line_of_help():
    helps = [s.metadata["help"] for s in (*fields(Settings), *fields(ClientSettings))]

    assert all(line.endswith(".") for line in helps)
