"""Types of the service's replies. At run time they are plain dicts."""

from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

Scalar = float | int | bool | str | None


class LiveVersion(TypedDict, total=False):
    """An alias, its last move, and the version that it points at; ``rollback_to`` is what a
    rollback would point it at."""

    alias: str
    version: int
    kind: str
    task: str
    engine: str
    since: str | None
    by: str | None
    reason: str | None
    forced: bool
    rolled_back: bool
    metrics: dict[str, float]
    metric_intervals: dict[str, list[float]]
    baseline: dict[str, float]
    rollback_to: int | None


class Model(TypedDict, total=False):
    """A registered model. ``live`` and ``newest_ready`` are present in lists that were requested
    with them."""

    name: str
    description: str
    tags: dict[str, str]
    aliases: dict[str, int]
    status: str
    last_version: int | None
    generation: int
    created_at: str
    created_by: str
    live: list[LiveVersion]
    newest_ready: int | None


class Column(TypedDict, total=False):
    """One column of a signature; ``classes`` only for the output of a classifier, ``size`` only for
    an output that is a list for each row: its length."""

    name: str
    type: str
    nullable: bool
    classes: list[Scalar]
    size: int


class Signature(TypedDict):
    """The inputs and the output of a version."""

    inputs: list[Column]
    output: Column


class Health(TypedDict, total=False):
    """The health of the service. From ``problems`` on only for administrators of all models."""

    status: str
    summary: str
    workers: int
    version: str
    schema: str
    problems: list[dict[str, str]]
    worker_reports: list[dict[str, Any]]
    replaced_workers: int | None
    database: dict[str, Any]
    disk: dict[str, Any] | None
    last_backup: str | None
    findings: list[dict[str, str]]


class TrafficPoint(TypedDict):
    """Predictions from ``at`` on; ``p99_seconds`` is None if none was answered."""

    at: str
    requests: int
    ok: int
    refused: int
    failed: int
    p99_seconds: float | None


class VersionTraffic(TypedDict):
    """Predictions of a version by outcome, and within which time they were answered."""

    version: int
    requests: int
    ok: int
    refused: int
    failed: int
    by_number_share: float
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    series: list[TrafficPoint]


class Traffic(TypedDict):
    """Predictions of the versions of a model in a window of time."""

    model: str
    window: str
    since: str
    until: str
    step_seconds: int
    versions: list[VersionTraffic]


class Version(TypedDict, total=False):
    """A model version. ``metric_intervals`` and ``baseline``, the metrics of always predicting the
    same, are present in lists that were requested with them."""

    model: str
    version: int
    status: str
    failure: str | None
    kind: str
    task: str
    aliases: list[str]
    description: str
    tags: dict[str, str]
    metrics: dict[str, float]
    params: dict[str, Any]
    signature: Signature
    input_example: dict[str, Scalar]
    artifact: dict[str, Any]
    engine: dict[str, Any]
    lineage: dict[str, Any]
    environment: dict[str, str]
    created_at: str
    created_by: str
    metric_intervals: dict[str, list[float]]
    baseline: dict[str, float]


class CompiledForms(TypedDict):
    """The SHA-256 of each compiled form of a version; if none, ``engine`` has the reason."""

    model: str
    version: int
    signature: Signature
    engine: dict[str, Any]
    forms: dict[str, str]


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The version of an upload; ``replayed``: an earlier request with the same key made it."""

    version: Version
    replayed: bool


class Gate(TypedDict, total=False):
    """A gate of a promotion and its result.

    ``interval`` is that of the difference. ``measured`` says on what: ``holdout`` or ``claimed``.
    ``holdout`` has the SHA-256 of the holdout.
    """

    gate: str
    passed: bool
    candidate: float | None
    champion: float | None
    reason: str | None
    interval: list[float]
    measured: str | None
    holdout: str


class Measured(TypedDict, total=False):
    """A version's metrics, as measured by the registry or as uploaded."""

    version: int
    metrics: dict[str, float]
    measured_on: str | None
    reason: str | None
    rows_trained_on: int | None


class Difference(TypedDict):
    """The candidate's metric minus the champion's, and its 95% interval."""

    value: float
    interval: list[float] | None


class UsedHoldout(TypedDict):
    """The holdout that versions were measured on."""

    sha256: str
    rows: int
    target: str


class GateReport(TypedDict, total=False):
    """The results of the gates that a promotion would have; no alias has moved."""

    passed: bool
    candidate: Measured
    champion: Measured | None
    differences: dict[str, Difference]
    holdout: UsedHoldout | None
    gates: list[Gate]


class Verdict(GateReport, total=False):
    """A report that is kept, and when it was made."""

    evaluated_at: str


class Policy(TypedDict):
    """The gates of a model's promotions."""

    gates: list[str]
    updated_at: str | None
    updated_by: str | None


class TrainedOn(TypedDict):
    """The rows of a holdout that a version was trained on; None: unknown."""

    version: int
    rows: int | None


class Holdout(TypedDict, total=False):
    """The data that a model's versions are measured on."""

    sha256: str
    size: int
    format: str
    rows: int
    columns: list[str]
    target: str
    created_at: str
    created_by: str
    removed_at: str | None
    removed_by: str | None
    trained_on: list[TrainedOn]
    """Only in the reply to ``Registry.set_holdout``."""


class Promotion(TypedDict):
    """The reply to a promotion, a rollback or the end of a split; ``split_ended``: the alias was
    split before; ``unconfirmed_hosts``: they may still answer by what held before."""

    model: str
    alias: str
    version: int
    previous_version: int | None
    generation: int
    gates: NotRequired[list[Gate]]
    split_ended: NotRequired[bool]
    unconfirmed_hosts: NotRequired[list[str]]


class Arm(TypedDict):
    """A version of a split, and its share of the requests in percent."""

    version: int
    weight: float


class AliasSplit(TypedDict):
    """The versions that an alias is split over, and what one of them is chosen by."""

    by: str
    arms: list[Arm]


class ArmGate(Gate, total=False):
    """The result of a gate of a version that was added to a split."""

    version: int


class ArmTraffic(TypedDict):
    """What a version of a split has answered; its shares of the requests and of the keys."""

    version: int
    requests: int
    request_share: float
    key_share: float


class SplitTraffic(TypedDict):
    """What a split has answered since its weights were changed, in this hour and the one before."""

    requests: int
    keys: int
    largest_key_share: float
    arms: list[ArmTraffic]


class Split(TypedDict):
    """A split of an alias that points at ``version``. ``since``, ``changed_by`` and ``reason`` are
    of the last change of its weights; ``gates`` only in the reply to a change. ``traffic`` only in
    other replies; None: there were no requests, or the token chooses."""

    model: str
    alias: str
    version: int
    by: str
    arms: list[Arm]
    generation: int
    since: str
    changed_by: str
    reason: str | None
    gates: NotRequired[list[ArmGate]]
    traffic: NotRequired[SplitTraffic | None]


class Alias(TypedDict):
    """An alias and the version it points at. ``split``: the versions that answer instead; None: it
    answers all requests.

    ``since``, ``by``, ``reason``, ``forced`` and ``rolled_back`` are of its last move. ``trail``
    are the versions that rollbacks go back to, one after the other, at most 20; ``rollback_to`` is
    the first. The version is loaded in ``loaded_in`` of ``workers``. At a time in the past it has
    ``until``, None if it still points at the version, instead of these.
    """

    alias: str
    version: int
    split: NotRequired[AliasSplit | None]
    since: NotRequired[str | None]
    by: NotRequired[str | None]
    reason: NotRequired[str | None]
    forced: NotRequired[bool]
    rolled_back: NotRequired[bool]
    until: NotRequired[str | None]
    rollback_to: NotRequired[int | None]
    trail: NotRequired[list[int]]
    loaded_in: NotRequired[int]
    workers: NotRequired[int]


class Event(TypedDict, total=False):
    """One event of the history. ``model`` is present in the history of all models only; None: an
    event of a token."""

    seq: int
    model: str | None
    at: str
    type: str
    actor: str
    reason: str | None
    alias: str | None
    from_version: int | None
    to_version: int | None
    details: dict[str, Any]
    hash: str


class ArmCounts(TypedDict):
    """Requests of a version, and in how many of them the event of a guard happened."""

    requests: int
    bad: int


class GuardState(TypedDict):
    """What the counts say about a guard: ``passed``, ``failed`` or ``undecided``.

    ``e_value`` begins at 1; from 100 on the guard has failed.
    """

    guard: str
    verdict: str
    e_value: float
    canary: ArmCounts
    champion: ArmCounts


class RolloutRequests(TypedDict):
    """Requests of both versions in the present step."""

    canary: int
    champion: int


class Rollout(TypedDict):
    """A rollout of ``version``, the canary, to an alias that pointed at ``champion``. ``step``
    counts from 1; ``reason`` says in one sentence why it is in its state; ``revision`` increases
    with each change; ``watched``: the keeper looks at it."""

    id: int
    model: str
    alias: str
    version: int
    champion: int
    state: str
    reason: str
    step: int
    step_began_at: str
    requests: RolloutRequests
    guards: list[GuardState]
    plan: dict[str, Any]
    revision: int
    watched: bool
    forced: bool
    deadline_at: str
    created_at: str
    created_by: str
    ended_at: str | None
    cooldown_until: str | None


class Host(TypedDict):
    """A host that shares the database. ``lost``: it has not been seen for a lease;
    ``acknowledged``: the last event that all of its workers answer by."""

    name: str
    state: str
    lost: bool
    release: str
    workers: int
    acknowledged: int
    seen_at: str


class Alert(TypedDict):
    """A finding by watching. ``subject`` is what it is about within its kind, such as an alias.
    ``model`` is None if it concerns the whole server; ``closed_at`` is None while its cause holds.
    """

    id: int
    kind: str
    model: str | None
    alias: str | None
    version: int | None
    subject: str
    message: str
    evidence: dict[str, Any]
    opened_at: str
    closed_at: str | None
    seen_at: str | None
    seen_by: str | None


class HistoryHead(TypedDict):
    """The last event and its hash. The last check, at ``verified_at``, found the events up to
    ``verified_seq`` intact; ``broken_seq``: the first that was not."""

    seq: int
    hash: str
    verified_seq: int | None
    fully_verified_at: str | None
    verified_at: str | None
    broken_seq: int | None


class Prediction(TypedDict):
    """``prediction`` for one record, ``predictions`` for several; all from one version."""

    model: str
    version: int
    prediction: NotRequired[Scalar]
    predictions: NotRequired[list[Scalar]]
    probabilities: NotRequired[Any]
    score: NotRequired[float]
    scores: NotRequired[list[float]]


@dataclass(frozen=True, slots=True)
class PredictedCsv:
    """The version that predicted, and a CSV file of its predictions."""

    version: int
    text: str


class Webhook(TypedDict):
    """A webhook without its secret; ``models`` is None for all. ``failing_since`` is the first
    failure since the last success."""

    id: int
    url: str
    events: list[str]
    models: list[str] | None
    enabled: bool
    disabled_at: str | None
    disabled_why: str | None
    failing_since: str | None
    previous_secret_until: str | None
    created_at: str
    created_by: str


class NewWebhook(Webhook):
    """A webhook with its new secret, which is shown only once."""

    secret: str


class Delivery(TypedDict):
    """A message to a webhook; ``state`` is ``waiting``, ``delivered`` or ``failed``. ``seq`` is the
    event of the history, None for a test."""

    id: int
    message_id: str
    event: str
    seq: int | None
    model: str | None
    state: str
    attempts: int
    created_at: str
    next_at: str | None
    last_at: str | None
    last_status: int | None
    last_error: str | None


class Token(TypedDict, total=False):
    """A token without its secret; ``kind`` is ``person`` or ``program``."""

    id: int
    name: str
    kind: str
    scopes: list[str]
    models: list[str] | None
    created_at: str
    created_by: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class NewToken(Token, total=False):
    """A new token with its secret, which is shown only once."""

    token: str
