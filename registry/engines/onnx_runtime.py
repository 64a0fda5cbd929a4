"""Imports onnxruntime with its telemetry off, and opens sessions. Nothing else imports it.

Since 1.29 the official builds send usage data to Microsoft unless a variable is set before the
library starts; they keep a thread, a database in the user's home and an identifier of the machine
for that (Privacy.md of the package, "Disabling Telemetry").
"""

import os
import re
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

from registry.errors import ArtifactRefused

_CODE = re.compile(r"\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ")
_PLACE = re.compile(
    r"/onnxruntime_src/\S+:\d+ [^()]*"  # the file, the line, and the name of the function
    r"(?:\((?:[^()]|\([^()]*\))*\)[^\s()]*)+ (?:const )?"  # its arguments
)
_MOST_READ, _MOST_SHOWN = 2000, 300


def open_session(content: bytes, *, keep_memory: bool) -> Any:
    """An ``onnxruntime.InferenceSession`` on the ONNX file ``content``, which runs on one thread.

    ``keep_memory``: buffers stay allocated between runs, which is faster and never shrinks.
    Raises ArtifactRefused.
    """
    options = onnxruntime.SessionOptions()
    # Two threads took longer than one on every model measured, and the workers share the cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_cpu_mem_arena = keep_memory
    options.enable_mem_pattern = keep_memory
    options.log_severity_level = 4  # errors are raised as exceptions
    # Otherwise it also loads its own format, which the intake does not check.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise ArtifactRefused(f"The ONNX file does not load: {cause_of(error)}") from error


def cause_of(error: BaseException) -> str:
    """ONNX Runtime's message without its codes and the places in its source, on one line."""
    message = _PLACE.sub("", _CODE.sub("", str(error)[:_MOST_READ]))
    return " ".join(message.split())[:_MOST_SHOWN].rstrip(" .")
