"""The files of the pages: the style sheet, the script and the icon, and those in the operator's folder."""

from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from .templates import STATIC


class PageFiles(StaticFiles):
    def __init__(self, folder: Path | None) -> None:
        """`folder` is the operator's. The files in its `static` take the place of ours."""
        super().__init__(directory=STATIC)
        if folder is not None:
            self.all_directories.insert(0, folder / "static")

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        # Otherwise, a browser would guess from the file's age how long to keep it, and show new pages with an old style
        # sheet.
        response.headers["cache-control"] = "no-cache"
        response.headers["x-content-type-options"] = "nosniff"
        return response
