"""Documentation: the API document of the three APIs, as a page and as OpenAPI, open to all."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse

from purser.documentation import page
from purser.http.app import entry_point
from purser.http.customer import customer_app

app = customer_app()

HTML, JSON = "text/html", "application/json"
CACHED = "public, max-age=300"


def _as(content_type: str, schema: dict[str, str]) -> dict[int, OpenAPIResponse]:
    return {200: {"description": "OK", "content": {content_type: {"schema": schema}}}}


@app.get("/v1/docs", cache_control=CACHED, responses=_as(HTML, {"type": "string"}))
def read_page() -> Response[Any]:
    """Return the documentation as a page."""
    headers = {"Content-Security-Policy": page.CONTENT_SECURITY_POLICY}
    return Response(status_code=200, content_type=f"{HTML}; charset=utf-8", body=_page(), headers=headers)


@app.get("/v1/docs/openapi.json", cache_control=CACHED, responses=_as(JSON, {"type": "object"}))
def read_document() -> Response[Any]:
    """Return the documentation as an OpenAPI document."""
    return Response(status_code=200, content_type=JSON, body=_document())


@cache
def _document() -> str:
    """Return the document without the white space that makes it readable in git."""
    kept = json.loads((Path(__file__).parent / "openapi.json").read_text(encoding="utf-8"))
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False)


@cache
def _page() -> str:
    return page.page(json.loads(_document()))


handler = entry_point(app)
