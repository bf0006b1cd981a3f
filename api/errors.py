"""Every failure in one form: `{"error": {"code", "message", "details"}}`, whatever raised it."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from db.errors import RtsError
from db.pools import AWAY, DatabaseAwayError

log = logging.getLogger(__name__)

# Codes for what the framework itself answers.
HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}


def install_error_answers(web: FastAPI, retry_after_seconds: int) -> None:
    """Answer known errors with their code, everything else with 500 and no inner text."""

    def answer(error: RtsError) -> JSONResponse:
        headers = {}
        if error.status == 503:
            headers["Retry-After"] = str(retry_after_seconds)
        if error.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(error.as_json(), error.status, headers)

    @web.exception_handler(RtsError)
    async def known(_: Request, error: RtsError) -> JSONResponse:
        return answer(error)

    @web.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return answer(InvalidRequestError(details=faults_of(error)))

    @web.exception_handler(HTTPException)
    async def framework(_: Request, error: HTTPException) -> JSONResponse:
        body = {"code": HTTP_CODES.get(error.status_code, "http_error"), "message": str(error.detail), "details": None}
        return JSONResponse({"error": body}, error.status_code, error.headers)

    @web.exception_handler(Exception)
    async def unknown(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, AWAY):
            return answer(DatabaseAwayError())
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return answer(RtsError("Something failed on the server; it is in its log."))

    for away in AWAY:
        web.add_exception_handler(away, unknown)


class InvalidRequestError(RtsError):
    """The request doesn't fit: `details` names each fault with its place."""

    code = "invalid_request"
    status = 422


def faults_of(error: RequestValidationError) -> list[dict[str, str]]:
    """Return every fault as {path, message}; the input itself isn't repeated, it may hold a secret."""
    return [
        {"path": ".".join(str(part) for part in fault["loc"]), "message": str(fault["msg"])}
        for fault in error.errors()
    ]
