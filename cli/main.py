"""The ``hotswap`` command: its verbs, each in a module of its own."""

import click

from cli.exits import ExitCodes
from cli.lazy import LazyCommand

VERBS = {
    "serve": LazyCommand("cli.serve:serve", "Start the service."),
    "recipe": LazyCommand("cli.recipe:recipe", "Write a recipe for a training, or check one."),
    "train": LazyCommand("cli.train:train", "Train a model and upload it."),
    "retrain": LazyCommand("cli.retrain:retrain", "Train in CI, and promote what is better."),
    "reproduce": LazyCommand("cli.reproduce:reproduce", "Train a version again and compare."),
    "upload": LazyCommand("cli.upload:upload", "Register a file as a new version of a model."),
    "models": LazyCommand("cli.models:models", "List the models."),
    "versions": LazyCommand("cli.versions:versions", "List the versions of a model."),
    "show": LazyCommand("cli.show:show", "Show one model or one version."),
    "compare": LazyCommand("cli.compare:compare", "Show versions side by side."),
    "plots": LazyCommand("cli.plots:plots", "Draw what a version keeps of its evaluation."),
    "card": LazyCommand("cli.card:card", "Print a version's model card."),
    "promote": LazyCommand("cli.promote:promote", "Make a version the one that answers."),
    "rollback": LazyCommand("cli.rollback:rollback", "Go back to the version before."),
    "policy": LazyCommand("cli.policy:policy", "Show or set the gates of a model's versions."),
    "holdout": LazyCommand("cli.holdout:holdout", "Show or set what versions are measured on."),
    "evaluate": LazyCommand("cli.evaluate:evaluate", "Measure a version, and promote nothing."),
    "history": LazyCommand("cli.history:history", "Show what happened to a model."),
    "predict": LazyCommand("cli.predict:predict", "Ask a model for predictions."),
    "tokens": LazyCommand("cli.tokens:tokens", "Make, list and revoke tokens."),
    "backup": LazyCommand("cli.backup:backup", "Copy the registry while it is in use."),
    "restore": LazyCommand("cli.restore:restore", "Bring a backup back."),
    "gc": LazyCommand("cli.gc:gc", "Remove the bytes that no version points at."),
    "db": LazyCommand("cli.database:db", "Look after the database."),
    "doctor": LazyCommand("cli.doctor:doctor", "Say what is there and what is missing."),
}


@click.group(
    cls=ExitCodes,
    lazy=VERBS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 the service said no, 2 wrong usage, "
    "3 the service cannot be reached, 10 retrained, but not better.",
)
@click.version_option(package_name="hotswap", message="%(package)s %(version)s")
def main() -> None:
    """Train scikit-learn models, register them, and swap the one that answers.

    The service is found at HOTSWAP_URL (http://127.0.0.1:8000 unless set) and spoken to with
    HOTSWAP_TOKEN; --url and --token of each command override them.

    \b
    Example:
      hotswap train sales.csv --target march --kind linear --name sales --promote
      hotswap predict sales january=120 february=134 interest_rate=3.5
    """
