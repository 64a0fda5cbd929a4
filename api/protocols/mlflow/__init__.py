"""MLflow's registry and artifacts over REST: its messages, and views over our operations."""

from api.protocols.mlflow import (
    artifacts,
    model_versions,
    new_versions,
    registered_models,
    server,
)
from api.protocols.mlflow.calls import blueprint

__all__ = [
    "artifacts",
    "blueprint",
    "model_versions",
    "new_versions",
    "registered_models",
    "server",
]
