"""Save both pipelines of a folder into BentoML's model store."""

import sys
from pathlib import Path

import bentoml
import joblib


def main() -> None:
    folder = Path(sys.argv[1])
    for name in ("iris", "housing"):
        with bentoml.models.create(name) as stored:
            joblib.dump(joblib.load(folder / f"{name}.joblib"), stored.path_of("model.joblib"))


if __name__ == "__main__":
    main()
