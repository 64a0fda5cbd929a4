"""Plots of feature importances and coefficients."""

from cli.drawing.look import COLOURS, INK, Plot, Subject, canvas, short
from cli.formatting import listed
from registry.reading.stored_evaluation import StoredEvaluation, Weight

MAX_BARS = 20


def importances(subject: Subject, kept: StoredEvaluation) -> Plot | None:
    """None where none were kept."""
    if not kept.importances:
        return None
    return _bars(subject, "importances", kept.importances, "importance (share of all)")


def coefficients(subject: Subject, kept: StoredEvaluation) -> Plot | None:
    """None where none were kept."""
    weights = kept.coefficients
    if not weights:
        return None
    # The sum for a classifier is the log odds, which have no unit.
    is_classes = subject.task == "classification"
    unit = "log odds" if is_classes else f"unit of {short(subject.target)}"
    meaning = f"coefficient ({unit} for each unit of the prepared feature)"
    if any(weight.by_class for weight in weights):
        meaning = "mean of the classes' absolute coefficients (log odds)"
    return _bars(subject, "coefficients", weights, meaning)


def _bars(subject: Subject, name: str, weights: tuple[Weight, ...], meaning: str) -> Plot:
    largest = sorted(weights, key=lambda weight: -abs(weight.value))[:MAX_BARS]
    count = "all" if len(largest) == len(weights) else f"the largest {len(largest)} of"
    under = f"{count} {len(weights)} features as the model sees them"
    title = name.capitalize()
    figure = canvas(subject, title, under, width=7.6, height=1.8 + 0.27 * max(len(largest), 4))
    axes = figure.add_subplot()
    places = range(len(largest))
    values = [weight.value for weight in largest]
    colours = [COLOURS[0] if value >= 0 else COLOURS[1] for value in values]
    axes.barh(places, values, color=colours, height=0.72)
    axes.set_yticks(places, [short(weight.feature) for weight in largest])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(meaning)
    if min(values) < 0:
        axes.axvline(0, color=INK, linewidth=0.8)
    said = [f"{short(weight.feature)} {weight.value:.4g}" for weight in largest]
    return Plot(name, title, f"The largest are {listed(said, 3)}; {under}.", figure)
