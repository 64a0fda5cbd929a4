"""FastAPI as in its documentation: typed bodies, and ``def`` routes for computation."""

import os
from pathlib import Path

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

folder = Path(os.environ["PEER_MODELS"])
iris = joblib.load(folder / "iris.joblib")
housing = joblib.load(folder / "housing.joblib")
app = FastAPI()


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


class Species(BaseModel):
    """The class of each row."""

    predictions: list[int]


class Prices(BaseModel):
    """The price of each row."""

    predictions: list[float]


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/iris/predict")
def predict_iris(row: Iris) -> Species:
    return Species(predictions=iris.predict(pd.DataFrame([row.model_dump()])).tolist())


@app.post("/housing/predict")
def predict_house(row: House) -> Prices:
    return Prices(predictions=housing.predict(pd.DataFrame([row.model_dump()])).tolist())


@app.post("/housing/predict_many")
def predict_houses(rows: list[House]) -> Prices:
    table = pd.DataFrame([row.model_dump() for row in rows])
    return Prices(predictions=housing.predict(table).tolist())
