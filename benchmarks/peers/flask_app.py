"""The Flask app of every tutorial: a body becomes a DataFrame, a joblib file the pipeline."""

import os
from pathlib import Path

import joblib
import pandas as pd
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

app = Flask(__name__)
folder = Path(os.environ["PEER_MODELS"])
models = {name: joblib.load(folder / f"{name}.joblib") for name in ("iris", "housing")}


@app.get("/health")
def health() -> ResponseReturnValue:
    return jsonify(status="ok")


@app.post("/<name>/predict")
def predict(name: str) -> ResponseReturnValue:
    """Predict for one record, or for a list of them."""
    body = request.get_json()
    table = pd.DataFrame(body if isinstance(body, list) else [body])
    return jsonify(predictions=models[name].predict(table).tolist())
