"""The two pages and what they load."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from pipesleuth.web.deps import House, TheHouse

router = APIRouter(include_in_schema=False)
_FRESH = {"Cache-Control": "no-cache"}


@router.get("/")
async def root() -> RedirectResponse:
    """The dashboard is the front page."""
    return RedirectResponse("/dashboard")


@router.get("/dashboard")
async def dashboard(house: TheHouse) -> FileResponse:
    """The dashboard."""
    return FileResponse(house.static / "dashboard.html", headers=_FRESH)


@router.get("/login")
async def login(house: TheHouse) -> FileResponse:
    """The login page."""
    return FileResponse(house.static / "login.html", headers=_FRESH)


class _Assets(StaticFiles):
    """Static files that browsers ask for again each time, and get only when they changed."""

    def file_response(self, *args: object, **kwargs: object) -> object:  # pyright: ignore[reportIncompatibleMethodOverride]  # Starlette's own arguments are passed through
        response = super().file_response(*args, **kwargs)  # pyright: ignore[reportArgumentType]  # the same
        response.headers.update(_FRESH)
        return response


def install(app: FastAPI, house: House) -> None:
    """Mount the pages and their files."""
    app.include_router(router)
    app.mount("/static", _Assets(directory=house.static), name="static")
