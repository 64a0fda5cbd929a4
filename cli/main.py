"""The ``hotswap`` command and its subcommands, each in its own module."""

import click

from cli.exits import ExitCodes
from cli.lazy import LazyCommand

COMMANDS = {
    "serve": LazyCommand("cli.serve:serve", "Start the service."),
    "recipe": LazyCommand("cli.recipe:recipe", "Write or check a recipe for training."),
    "train": LazyCommand("cli.train:train", "Train a model and upload it."),
    "retrain": LazyCommand(
        "cli.retrain:retrain", "Train in CI, and promote the version if it is better."
    ),
    "reproduce": LazyCommand(
        "cli.reproduce:reproduce", "Train a version again and compare the result."
    ),
    "upload": LazyCommand("cli.upload:upload", "Register a file as a new version of a model."),
    "import": LazyCommand("cli.imports:import_", "Import models from MLflow or a folder of files."),
    "models": LazyCommand("cli.models:models", "List the models."),
    "versions": LazyCommand("cli.versions:versions", "List the versions of a model."),
    "show": LazyCommand("cli.show:show", "Show one model or one version."),
    "aliases": LazyCommand(
        "cli.aliases:aliases", "Show what aliases point at, or pointed at at a time."
    ),
    "compare": LazyCommand("cli.compare:compare", "Show versions side by side."),
    "plots": LazyCommand("cli.plots:plots", "Draw plots of a version's evaluation."),
    "card": LazyCommand("cli.card:card", "Print a version's model card."),
    "promote": LazyCommand("cli.promote:promote", "Make a version live."),
    "split": LazyCommand("cli.split:split", "Split an alias over several versions."),
    "rollback": LazyCommand("cli.rollback:rollback", "Go back to the previous version."),
    "rollout": LazyCommand(
        "cli.rollout:rollout", "Replace a live version in steps, and undo it if guards fail."
    ),
    "policy": LazyCommand("cli.policy:policy", "Show or set the gates for a model's promotions."),
    "holdout": LazyCommand(
        "cli.holdout:holdout", "Show or set the data that versions are measured on."
    ),
    "evaluate": LazyCommand(
        "cli.evaluate:evaluate", "Check a version against its gates, without promoting it."
    ),
    "history": LazyCommand("cli.history:history", "Show the history of a model."),
    "follow": LazyCommand("cli.follow:follow", "Print events of a model as they happen."),
    "watch": LazyCommand("cli.watch:watch", "Run the keeper, where 'hotswap serve' does not."),
    "alerts": LazyCommand(
        "cli.alerts:alerts", "Show what was found by watching models, and note that it was seen."
    ),
    "webhooks": LazyCommand(
        "cli.webhooks:webhooks", "Send messages about events to other systems."
    ),
    "traffic": LazyCommand("cli.traffic:traffic", "Show the predictions of a model's versions."),
    "predict": LazyCommand("cli.predict:predict", "Predict with a model."),
    "tokens": LazyCommand("cli.tokens:tokens", "Create, list, rotate and revoke tokens."),
    "hosts": LazyCommand("cli.hosts:hosts", "Show the hosts that share the database."),
    "backup": LazyCommand(
        "cli.backup:backup", "Back up the registry, also while the service is running."
    ),
    "restore": LazyCommand("cli.restore:restore", "Restore a backup."),
    "gc": LazyCommand("cli.gc:gc", "Remove artifacts that no version refers to."),
    "blobs": LazyCommand("cli.blobs:blobs", "Move artifacts to a bucket, or back."),
    "db": LazyCommand("cli.database:db", "Manage the database."),
    "health": LazyCommand("cli.health:health", "Show whether the running service is well."),
    "doctor": LazyCommand("cli.doctor:doctor", "Check the installation and the data directory."),
}


@click.group(
    cls=ExitCodes,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 success, 1 refused by the service, 2 wrong usage, "
    "3 the service cannot be reached, 10 retrained, but not promoted, or a rollout is held, "
    "11 a rollout was rolled back.",
)
@click.version_option(package_name="hotswap", message="%(package)s %(version)s")
def main() -> None:
    """Train scikit-learn models, register them, and swap versions while they serve.

    Commands use the service at HOTSWAP_URL (default: http://127.0.0.1:8000) with the token
    HOTSWAP_TOKEN; the options --url and --token override them.

    \b
    Example:
      hotswap train sales.csv --target march --kind linear --name sales --promote
      hotswap predict sales january=120 february=134 interest_rate=3.5
    """
