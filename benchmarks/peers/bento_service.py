"""BentoML services: each call by itself, and with the adaptive batching that BentoML offers."""

import bentoml
import joblib
import numpy as np
import pandas as pd
from bentoml.models import BentoModel


@bentoml.service(workers=1)
class Each:
    """Predicts for each call by itself."""

    iris_model = BentoModel("iris:latest")
    housing_model = BentoModel("housing:latest")

    def __init__(self) -> None:
        self.iris = joblib.load(self.iris_model.path_of("model.joblib"))
        self.housing = joblib.load(self.housing_model.path_of("model.joblib"))

    @bentoml.api
    def predict_iris(self, rows: pd.DataFrame) -> np.ndarray:
        return self.iris.predict(rows)

    @bentoml.api
    def predict_housing(self, rows: pd.DataFrame) -> np.ndarray:
        return self.housing.predict(rows)


@bentoml.service(workers=1)
class Batching:
    """Gathers the calls that wait into one prediction, of up to eight calls of 1,000 rows."""

    iris_model = BentoModel("iris:latest")
    housing_model = BentoModel("housing:latest")

    def __init__(self) -> None:
        self.iris = joblib.load(self.iris_model.path_of("model.joblib"))
        self.housing = joblib.load(self.housing_model.path_of("model.joblib"))

    @bentoml.api(batchable=True, max_batch_size=8_000)
    def predict_iris(self, rows: pd.DataFrame) -> np.ndarray:
        return self.iris.predict(rows)

    @bentoml.api(batchable=True, max_batch_size=8_000)
    def predict_housing(self, rows: pd.DataFrame) -> np.ndarray:
        return self.housing.predict(rows)
