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

    async def known(request: Request, error: Exception) -> JSONResponse:
        return answer(as_known(request, error), retry_after_seconds)

    for kind in (RtsError, RequestValidationError, Exception, *AWAY):
        web.add_exception_handler(kind, known)
    web.add_exception_handler(HTTPException, answer_of_framework)


def as_known(request: Request, error: Exception) -> RtsError:
    """Return any failure as an error of ours; one that nobody foresaw goes to the log."""
    if isinstance(error, RtsError):
        return error
    if isinstance(error, RequestValidationError):
        return InvalidRequestError(details=faults_of(error))
    if isinstance(error, AWAY):
        return DatabaseAwayError()
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return RtsError("Something failed on the server; it is in its log.")


def answer(error: RtsError, retry_after_seconds: int) -> JSONResponse:
    """Return an error as an HTTP answer, with the headers that its status asks for."""
    headers = {}
    if error.status == 503:
        headers["Retry-After"] = str(retry_after_seconds)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error.as_json(), error.status, headers)


async def answer_of_framework(_: Request, error: Exception) -> JSONResponse:
    """Return what the framework refuses (no such path, wrong method) in our form."""
    assert isinstance(error, HTTPException)
    body = {"code": HTTP_CODES.get(error.status_code, "http_error"), "message": str(error.detail), "details": None}
    return JSONResponse({"error": body}, error.status_code, error.headers)


class InvalidRequestError(RtsError):
    """The request doesn't fit: `details` names each fault with its place."""

    code = "invalid_request"
    status = 422


def faults_of(error: RequestValidationError) -> list[dict[str, str]]:
    """Return every fault as {path, message}; the input itself isn't repeated, it may hold a secret."""
    return [
        {"path": ".".join(str(part) for part in fault["loc"]), "message": str(fault["msg"])} for fault in error.errors()
    ]
