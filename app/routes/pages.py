"""The pages for people: a text box to try, and the API's documentation. Nothing is loaded from elsewhere."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

ASSETS = "/assets/swagger"

router = APIRouter(include_in_schema=False)


def swagger_assets() -> StaticFiles:
    """Return Swagger UI's files, which the package fastapi-offline carries, so that /docs works without internet."""
    spec = importlib.util.find_spec("fastapi_offline")
    if spec is None or spec.origin is None:
        raise RuntimeError("The package fastapi-offline is not installed: pip install fastapi-offline")
    return StaticFiles(directory=Path(spec.origin).parent / "static")


@router.get("/")
def home() -> HTMLResponse:
    """Answer the page with the text box."""
    return HTMLResponse((Path(__file__).parent.parent / "web" / "home.html").read_text(encoding="utf-8"))


@router.get("/docs")
def docs() -> HTMLResponse:
    """Answer Swagger UI. Its addresses are relative, so that it also works behind a proxy that adds a prefix."""
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title="Namesake API",
        swagger_ui_parameters={"defaultModelsExpandDepth": 0},  # the schemas' list is long, and stays folded
        swagger_js_url=f"{ASSETS[1:]}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS[1:]}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS[1:]}/favicon.png",
    )
