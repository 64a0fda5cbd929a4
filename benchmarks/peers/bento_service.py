"""BentoML services: without and with BentoML's adaptive batching."""

import bentoml
import joblib
import numpy as np
import pandas as pd
from bentoml.models import BentoModel
from pydantic import BaseModel


@bentoml.service(workers=1)
class Each:
    """Predicts for each call separately."""

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


class Iris(BaseModel):
    """One iris, in centimetres."""

    sepal_length: float
    sepal_width: float
    petal_length: float
    petal_width: float


class House(BaseModel):
    """One block of houses."""

    longitude: float
    latitude: float
    housing_median_age: float
    total_rooms: float
    total_bedrooms: float | None
    population: float
    households: float
    median_income: float
    ocean_proximity: str


@bentoml.service(workers=1)
class Batching:
    """Combines waiting calls into one prediction, of up to eight calls of 1,000 rows.

    It takes lists: BentoML 1.4.39 does not combine DataFrames, whose size it reads as a tuple.
    """

    iris_model = BentoModel("iris:latest")
    housing_model = BentoModel("housing:latest")

    def __init__(self) -> None:
        self.iris = joblib.load(self.iris_model.path_of("model.joblib"))
        self.housing = joblib.load(self.housing_model.path_of("model.joblib"))

    @bentoml.api(batchable=True, max_batch_size=8_000)
    def predict_iris(self, rows: list[Iris]) -> list[int]:
        return self.iris.predict(pd.DataFrame([row.model_dump() for row in rows])).tolist()

    @bentoml.api(batchable=True, max_batch_size=8_000)
    def predict_housing(self, rows: list[House]) -> list[float]:
        return self.housing.predict(pd.DataFrame([row.model_dump() for row in rows])).tolist()
