"""Save both pipelines of a folder as MLflow models, with signature and input example."""

import sys
from pathlib import Path

import joblib
import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature


def main() -> None:
    folder = Path(sys.argv[1])
    for name in ("iris", "housing"):
        model = joblib.load(folder / f"{name}.joblib")
        example = pd.read_parquet(folder / f"{name}.parquet")
        mlflow.sklearn.save_model(
            model,
            str(folder / f"{name}.mlflow"),
            signature=infer_signature(example, model.predict(example)),
            input_example=example.head(3),
            skops_trusted_types=["numpy.dtype", "sklearn.tree._tree.Tree"],  # as its refusal asks
        )


if __name__ == "__main__":
    main()
