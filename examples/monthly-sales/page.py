"""A page with a form. It sends the form to the service and shows the prediction.

The token stays here; browsers never see it.
"""

import os

from flask import Flask, render_template, request

from hotswap import ClientError, Registry
from hotswap.errors import Refused

FORM = "application/x-www-form-urlencoded"

app = Flask(__name__, template_folder=".")


@app.get("/")
def empty() -> str:
    """The form."""
    return render_template("form.html")


@app.post("/")
def filled() -> tuple[str, int]:
    """The form with the prediction, or with what is wrong."""
    url = os.environ.get("HOTSWAP_URL", "http://127.0.0.1:8000")
    try:
        with Registry(url, os.environ.get("HOTSWAP_TOKEN")) as registry:
            reply = registry.predict("monthly-sales", request.get_data(), content_type=FORM)
    except ClientError as error:
        status = 422 if isinstance(error, Refused) else 502
        return render_template("form.html", problem=error), status
    return render_template("form.html", reply=reply), 200
