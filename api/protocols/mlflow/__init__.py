"""MLflow's registry over REST: its messages, and views over the operations of the service."""

from api.protocols.mlflow import model_versions, registered_models, server
from api.protocols.mlflow.calls import blueprint

__all__ = ["blueprint", "model_versions", "registered_models", "server"]
