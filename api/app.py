"""The app factory."""

import sys

from flask import Flask, Response, request

from api.access import allows, guard
from api.access_log import log_requests
from api.alerts import blueprint as alerts
from api.aliases import blueprint as aliases
from api.artifacts import blueprint as artifacts
from api.bodies import MAX_JSON_BODY, drain
from api.callers import recognise_callers
from api.cards import blueprint as cards
from api.comparisons import blueprint as comparisons
from api.database_hosts import blueprint as database_hosts
from api.documents import blueprint as documents
from api.documents import describe
from api.evaluations import blueprint as evaluations
from api.fast_path import INFER, PREDICT, install_fast_path
from api.health import blueprint as health
from api.history import blueprint as history
from api.holdouts import blueprint as holdouts
from api.hosts import Hosts, check_hosts
from api.key_counts import count_keys
from api.logs import configure_logs
from api.models import blueprint as models
from api.plots import blueprint as plots
from api.policies import blueprint as policies
from api.predictions import attach_endpoint
from api.predictions import blueprint as predictions
from api.problems import handle_problems, write_problems_at, write_problems_below
from api.promotions import blueprint as promotions
from api.protocols.mlflow import blueprint as mlflow
from api.protocols.mlflow.calls import PREFIX as MLFLOW
from api.protocols.open_inference.routes import PREFIX as OPEN_INFERENCE
from api.protocols.open_inference.routes import attach_infer
from api.protocols.open_inference.routes import blueprint as open_inference
from api.protocols.problems import write_error_code, write_error_text
from api.protocols.scoring.problems import PATHS as SCORING
from api.protocols.scoring.problems import write_scoring_error
from api.protocols.scoring.routes import attach_scoring
from api.protocols.scoring.routes import blueprint as scoring
from api.protocols.tensorflow.routes import PREFIX as TENSORFLOW
from api.protocols.tensorflow.routes import attach_tensorflow
from api.protocols.tensorflow.routes import blueprint as tensorflow
from api.proxies import trust_proxies
from api.request_ids import identify_requests
from api.rollouts import blueprint as rollouts
from api.routing import CONVERTERS, Route, match_methods_exactly
from api.security_headers import secure_responses
from api.services import Services, attach
from api.serving_telemetry import ServingTelemetry
from api.sessions import db
from api.splits import blueprint as splits
from api.start import prepare_worker
from api.telemetry import blueprint as metrics
from api.telemetry import observe_requests
from api.tokens import blueprint as tokens
from api.traffic import blueprint as traffic
from api.traffic import record_predictions
from api.unconfirmed import name_unconfirmed
from api.upload_forms import StreamingRequest, discard_uploads
from api.uploads import blueprint as uploads
from api.versions import blueprint as versions
from api.webhooks import blueprint as webhooks
from api.worker_reports import REPORT_SECONDS, report_workers
from config import Settings
from registry.confinement.spawner import Spawner


class _Application(Flask):
    url_rule_class = Route


def create_app(settings: Settings, spawner: Spawner | None = None) -> Flask:
    """The WSGI application on a data directory, which is prepared immediately.

    ``spawner`` starts its confined processes in place of one of its own.

    Raises SchemaMismatch if the database belongs to another release.
    """
    configure_logs(settings)
    serving_telemetry = ServingTelemetry()
    services = Services.build(settings, serving_telemetry, spawner)
    if (token := prepare_worker(services)) and not settings.admin_token:
        # The token is shown only here, and not in the log, which must never contain it.
        print(f"admin token: {token}", file=sys.stderr, flush=True)  # noqa: T201
    app = _Application("api", static_folder="static", static_url_path="/docs/static")
    app.request_class = StreamingRequest
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_JSON_BODY,
        SQLALCHEMY_DATABASE_URI=settings.effective_database_url,
    )
    app.url_map.converters |= CONVERTERS
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # it would respond with a redirect, in HTML
    attach(app, services)
    db.init_app(app)
    secure_responses(app)
    identify_requests(app)
    _drain_bodies(app)
    if services.sharing is not None and settings.without_lease == "serve":
        name_unconfirmed(app, services.sharing.lease)
    hosts = Hosts.of(settings)
    check_hosts(app, hosts)
    match_methods_exactly(app)
    guard(app)
    telemetry = observe_requests(app)
    serving_telemetry.keep(telemetry.folder)
    reports = report_workers(app, services, telemetry.folder)
    telemetry.repeat(reports.write, REPORT_SECONDS)
    record_predictions(telemetry, services)
    count_keys(telemetry, services)
    known = recognise_callers(app, services, telemetry.count_failed)
    handle_problems(app)
    write_problems_below(app, OPEN_INFERENCE, write_error_text)
    write_problems_below(app, TENSORFLOW, write_error_text)
    write_problems_below(app, MLFLOW, write_error_code)
    write_problems_at(app, SCORING, write_scoring_error)
    discard_uploads(app)
    resources = [models, uploads, versions, artifacts, comparisons, cards, plots, traffic]
    resources += [promotions, aliases, splits, history, tokens, policies, holdouts, evaluations]
    resources += [rollouts, alerts, webhooks, database_hosts]
    # The page at /docs is public, so its scripts and styles are too.
    allows("public")(app.view_functions["static"])
    protocols = [open_inference, scoring, tensorflow, mlflow]
    describe(app, [*resources, predictions, *protocols, health, metrics, documents])
    endpoints = {
        **dict.fromkeys(PREDICT, attach_endpoint(app, known, telemetry.predictions)),
        **dict.fromkeys(INFER, attach_infer(app, known, telemetry.predictions)),
        **attach_scoring(app, known, telemetry.predictions),
        **attach_tensorflow(app, known, telemetry.predictions),
    }
    access_log = log_requests(app, known) if settings.access_log else None
    install_fast_path(app, endpoints, telemetry, hosts, access_log)
    trust_proxies(app, settings, hosts)
    services.start()
    return app


def _drain_bodies(app: Flask) -> None:
    """Read the rest of a body that the caller is still sending when the response is ready."""

    @app.after_request
    def drain_body(response: Response) -> Response:
        if not drain(request.environ):
            response.headers["Connection"] = "close"
        return response
