"""The one place that imports onnxruntime, so that it never reports to its maker.

Since 1.29 the official builds send what is loaded and asked to Microsoft unless a variable says
otherwise before the library starts; for that they keep a thread, a database in the user's home and
an identifier of the machine (Privacy.md of the package, "Disabling Telemetry").
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

__all__ = ["onnxruntime"]
