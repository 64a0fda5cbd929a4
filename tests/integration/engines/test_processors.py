"""The tests that compare predictions with scikit-learn's, on the kernels of other processors.

OpenBLAS and numpy choose their kernels by the processor they find, and let environment variables
choose for them. Each test starts pytest with other ones and makes sure that they took effect.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PROCESSORS = {
    # name: OpenBLAS core type, what OpenBLAS calls it, numpy's features to do without, cpu flag
    "SSE3": ("Prescott", "Katmai", "X86_V3 X86_V4", "pni"),
    "AVX": ("Sandybridge", "Sandybridge", "X86_V3 X86_V4", "avx"),
    "AVX2": ("Haswell", "Haswell", "X86_V4", "avx2"),
    "AVX-512": ("SkylakeX", "SkylakeX", "", "avx512vl"),
}
COMPARING = [
    "tests/integration/registry/test_linear_bits.py",
    "tests/integration/engines/test_model_process.py::"
    "test_predictions_equal_scikit_learn_s_to_the_last_bit",
    "tests/integration/registry/test_compilation.py",
    "tests/integration/registry/test_walked_forests.py",
    "tests/integration/api/test_predict_bodies.py",
    "tests/integration/api/test_predict_tables.py",
    "tests/integration/engines/test_predictor.py",
    "tests/integration/engines/test_onnx_predictor.py",
    *(f"tests/integration/engines/{file.name}" for file in HERE.glob("test_forest_kernel*.py")),
    "tests/unit/registry/engines",
    "tests/unit/client/metrics",
]
_KERNELS = """
import threadpoolctl, numpy, numpy._core._multiarray_umath as numpys
print(*{each["architecture"] for each in threadpoolctl.threadpool_info()})
print(*[name for name in numpys.__cpu_dispatch__ if numpys.__cpu_features__[name]])
"""


@pytest.fixture(params=PROCESSORS)
def processor(request):
    """The environment that chooses the kernels of a processor that this machine can stand for."""
    core, name, without, flag = PROCESSORS[request.param]
    found = Path("/proc/cpuinfo").read_text() if sys.platform == "linux" else ""
    if flag not in found.split():
        pytest.skip(f"this processor has no {request.param}, or is no x86-64")
    environment = {**os.environ, "OPENBLAS_CORETYPE": core, "NPY_DISABLE_CPU_FEATURES": without}
    environment.pop("OPENBLAS_L2_SIZE", None)
    environment.pop("HYPOTHESIS_PROFILE", None)  # a few examples on each processor are enough
    kernels = run([sys.executable, "-W", "ignore", "-c", _KERNELS], environment)
    assert kernels.stdout.splitlines()[0] == name
    assert not set(without.split()) & set(kernels.stdout.split())
    return environment


def run(command, environment):
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def run_tests(tests, environment):
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "-m", "not slow"]
    done = run([sys.executable, "-m", "pytest", *options, *tests], environment)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr


@pytest.mark.slow
def test_predictions_match_scikit_learn_on_every_processor_type(processor):
    run_tests(COMPARING, processor)
