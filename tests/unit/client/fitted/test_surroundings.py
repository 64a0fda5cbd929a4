"""The versions of libraries that are recorded with a model."""

import sys

import lightgbm
import xgboost
from lightgbm import LGBMRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hotswap.fitted.surroundings import RECORDED_PACKAGES, environment


def test_a_library_for_boosting_is_recorded_with_the_models_that_use_it():
    booster = LGBMRegressor()

    for model in (booster, make_pipeline(StandardScaler(), booster), GridSearchCV(booster, {})):
        assert environment(model).keys() == {"python", *RECORDED_PACKAGES, "lightgbm"}


def test_the_version_is_that_of_the_module_whatever_its_distribution_is_called():
    assert environment(LGBMRegressor())["lightgbm"] == lightgbm.__version__
    assert environment(xgboost.XGBRegressor())["xgboost"] == xgboost.__version__


def test_libraries_that_the_process_happens_to_have_imported_are_not_recorded():
    assert "lightgbm" in sys.modules

    assert environment(LinearRegression()).keys() == {"python", *RECORDED_PACKAGES}
