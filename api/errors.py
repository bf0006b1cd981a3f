"""Every failure in one form: `{"error": {"code", "message", "details"}}`."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException

from core.errors import RtsError
from db.pools import CONNECTION_ERRORS, NO_WRITES, DatabaseUnavailableError

log = logging.getLogger(__name__)


class ErrorBody(BaseModel):
    """What failed; `code` is stable, `message` names the next step."""

    code: str = Field(examples=["agent_not_found"])
    message: str = Field(examples=["There is no such agent."])
    details: Any = Field(
        description="details for a program, such as a position or a list of faults; null if there are none"
    )


class ErrorAnswer(BaseModel):
    """The form of every failure."""

    error: ErrorBody


# The failures in the OpenAPI document, for every route; the upload's are in openapi.py.
RESPONSES: dict[int | str, dict[str, Any]] = {
    401: {"model": ErrorAnswer, "description": "no token, or an invalid, expired or revoked one"},
    403: {"model": ErrorAnswer, "description": "the token is valid, but lacks the permission"},
    404: {"model": ErrorAnswer, "description": "it does not exist, or belongs to another business"},
    422: {"model": ErrorAnswer, "description": "the request is invalid: `details` lists each fault"},
    429: {"model": ErrorAnswer, "description": "too many requests of this caller or business: see Retry-After"},
    503: {"model": ErrorAnswer, "description": "the database is unavailable: send it again after Retry-After seconds"},
}


def conflicts(*errors: type[RtsError]) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of a route that may refuse with 409: the codes and their meaning."""
    described = "; ".join(f"`{error.code}`: {error().message}" for error in errors)
    return {409: {"model": ErrorAnswer, "description": described}}


# Codes of the framework's own answers.
HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


def install_error_answers(web: FastAPI, retry_after_seconds: int) -> None:
    """Answer known errors with their code, everything else with 500 and no inner text."""

    async def answer_known(request: Request, error: Exception) -> JSONResponse:
        known_error = as_known(request, error)
        services = getattr(web.state, "services", None)  # an application that is not started has none
        if services is not None:
            services.refusals.note(request.scope, known_error)
        return answer(known_error, retry_after_seconds)

    for kind in (RtsError, RequestValidationError, Exception, *CONNECTION_ERRORS, *NO_WRITES):
        web.add_exception_handler(kind, answer_known)
    web.add_exception_handler(HTTPException, answer_of_framework)


def as_known(request: Request, error: Exception) -> RtsError:
    """Return any exception as an RtsError; an unexpected one is logged."""
    if isinstance(error, RtsError):
        return error
    if isinstance(error, RequestValidationError):
        return InvalidRequestError(details=list_faults(error))
    if isinstance(error, CONNECTION_ERRORS):
        log.warning("%s %s: the database is unavailable: %r", request.method, request.url.path, error)
        return DatabaseUnavailableError()
    if isinstance(error, NO_WRITES):
        log.warning("%s %s: the database is read-only: %s", request.method, request.url.path, error)
        return DatabaseUnavailableError("The database is read-only at the moment: send the request again later.")
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return RtsError("Something failed on the server; its log has the details.")


def answer(error: RtsError, retry_after_seconds: int) -> JSONResponse:
    """Return an error as an HTTP answer, with the headers that its status requires."""
    return JSONResponse(error.as_json(), error.status, error.headers(retry_after_seconds))


async def answer_of_framework(_: Request, error: Exception) -> JSONResponse:
    """Return an error of the framework (no such path, wrong method, a body that is not text) in our form."""
    assert isinstance(error, HTTPException)
    if error.status_code == 400:  # bytes that aren't text, JSON nested too deep, numbers of thousands of digits
        unreadable = InvalidRequestError(details=[{"path": "body", "message": "cannot be read as JSON"}])
        return JSONResponse(unreadable.as_json(), unreadable.status)
    body = {"code": HTTP_CODES.get(error.status_code, "http_error"), "message": str(error.detail), "details": None}
    return JSONResponse({"error": body}, error.status_code, error.headers)


class InvalidRequestError(RtsError):
    """The request is invalid: `details` lists each fault with its place."""

    code = "invalid_request"
    status = 422


@dataclass(frozen=True, slots=True)
class Reason:
    """Why this process is not ready; `code` is stable."""

    code: str
    message: str


class NotReadyError(RtsError):
    """This process is not ready: `details` has the reasons."""

    code = "not_ready"
    status = 503

    def __init__(self, reasons: Sequence[Reason]) -> None:
        super().__init__(details=[{"code": reason.code, "message": reason.message} for reason in reasons])


class MetricsForbiddenError(RtsError):
    """Send RTS_METRICS_TOKEN as `Authorization: Bearer <token>`; while it is not set, every request is refused."""

    code = "metrics_forbidden"
    status = 403


def list_faults(error: RequestValidationError | ValidationError) -> list[dict[str, str]]:
    """Return every fault as {path, message}, without the input, which may hold a secret."""
    return [
        {"path": ".".join(str(part) for part in fault["loc"]), "message": str(fault["msg"])} for fault in error.errors()
    ]
