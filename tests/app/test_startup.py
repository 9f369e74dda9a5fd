import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "sqlalchemy", "onnxruntime", "faiss", "fastapi", "matplotlib", "scipy")


@pytest.mark.parametrize("module", ["app.cli"])
def test_the_command_line_starts_without_heavy_libraries(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
