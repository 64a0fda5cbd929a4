"""Model directories of MLflow: what their files say, as data. Never opens a model."""
