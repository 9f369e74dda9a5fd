import os
import subprocess
import sys
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

HEAVY = ("torch", "transformers", "sqlalchemy", "onnxruntime", "faiss", "fastapi", "matplotlib", "scipy")


@pytest.mark.parametrize("module", ["app.cli"])
def test_the_command_line_starts_without_heavy_libraries(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["model", "app.doctor", "app.service"])
def test_no_library_reports_to_its_makers(module: str, tmp_path: Path) -> None:
    """ONNX Runtime makes itself a device id, in the user's cache, when it is about to report."""
    environment = {key: value for key, value in os.environ.items() if key not in {"ORT_DISABLE_TELEMETRY", "CI"}}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": ""}
    code = f"import {module}, onnxruntime; onnxruntime.get_available_providers()"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.usefixtures("starter_service")
def test_matrix_products_of_linking_leave_the_cores_to_the_encoder() -> None:
    assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}
