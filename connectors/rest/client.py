"""One GET: bounded in time and size, repeated while the API asks to wait, its failures coded."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from urllib.parse import urlencode, urlsplit

import urllib3

from connectors.spi.errors import (
    C360Error,
    SchemaDrift,
    SourceBroken,
    SourceBusy,
    SourceLogin,
    SourceTimeout,
    SourceUnreachable,
)
from connectors.spi.session import Deadline

CONNECT_SECONDS = 2.0
ATTEMPTS = 4
Params = Sequence[tuple[str, str]]


class Ended(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True)
class Api:
    """Where an API is and how it is spoken to. Thread-safe. `headers` may be secret."""

    source: str
    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 10.0
    concurrency: int = 4
    max_bytes: int = 64 * 2**20

    @cached_property
    def pool(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(num_pools=1, maxsize=4 * self.concurrency, block=False)

    def get(self, path: str, params: Params, deadline: Deadline, ended: Callable[[], bool], sent: Callable[[], None]) -> bytes | None:
        """The body of an answer, None for 404. `sent` is called per request, `ended` asked whether to give up.

        A page is handed on whole or not at all, so repeating its request repeats no row: on 429 and 503 as the API says
        (Retry-After) or with growing pauses, and once when a kept connection turns out to be dead. Raises SourceError, Ended.
        """
        for attempt in range(ATTEMPTS):
            try:
                sent()
                status, headers, body = self._once(path, params, deadline, ended)
            except urllib3.exceptions.ProtocolError as error:
                if attempt == 0 and not isinstance(error, urllib3.exceptions.IncompleteRead) and not _read_some(error):
                    continue
                raise self._error(SourceBroken, "the connection broke off", "try again; if it goes on, look at the API's log") from error
            if status not in (429, 503):
                return self._judged(status, body)
            pause = _retry_after(headers) or random.uniform(0.5, 1.0) * 0.2 * 2**attempt
            if attempt == ATTEMPTS - 1 or pause > deadline.remaining():
                break
            _sleep(pause, ended)
        raise self._error(
            SourceBusy, f"the API is busy (HTTP {status})", "ask less often, lower `concurrency`, or give the query more time"
        )

    def _once(self, path: str, params: Params, deadline: Deadline, ended: Callable[[], bool]) -> tuple[int, Mapping[str, str], bytes]:
        if ended():
            raise Ended
        left = max(0.001, deadline.remaining())
        url = self.base_url + path + ("?" + urlencode(params) if params else "")
        try:
            response = self.pool.request(
                "GET", url, headers={"Accept": "application/json", "Accept-Encoding": "gzip", **self.headers},
                redirect=False, retries=False, preload_content=False,
                timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, left), read=min(self.timeout, left)),
            )  # fmt: skip
            try:
                return response.status, response.headers, self._body(response, ended)
            except BaseException:
                response.close()
                raise
            finally:
                response.release_conn()
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.SSLError) as error:
            raise self._error(
                SourceUnreachable, f"no connection to {self.host}", "check `base_url`, the network and the certificate"
            ) from error
        except urllib3.exceptions.TimeoutError as error:
            raise self._error(SourceTimeout, f"{self.host} fell silent", "give it a longer `timeout`, or the query more time") from error

    def _body(self, response: urllib3.BaseHTTPResponse, ended: Callable[[], bool]) -> bytes:
        parts, size = [], 0
        while part := response.read1(2**16):
            parts.append(part)
            size += len(part)
            if ended():
                raise Ended
            if size > self.max_bytes:
                raise self._error(
                    SourceBroken, f"an answer is larger than {self.max_bytes} bytes", "ask for smaller pages, or raise `max_bytes`"
                )
        return b"".join(parts)

    def _judged(self, status: int, body: bytes) -> bytes | None:
        match status:
            case 200:
                return body
            case 204 | 404:
                return None
            case 401 | 403:
                raise self._error(SourceLogin, f"the API refused the credentials (HTTP {status})", "check `headers` and what they may read")
            case _ if 300 <= status < 400:
                raise self._error(
                    SourceBroken, f"the API redirects (HTTP {status})", "set `base_url` to where it leads: secrets follow no redirect"
                )
            case 400 | 422:
                raise self._error(
                    SchemaDrift, f"the API refused the question (HTTP {status})", "compare `path`, `filters` and `lookup` with its papers"
                )
        raise self._error(SourceBroken, f"the API failed (HTTP {status})", "try again; if it goes on, look at the API's log")

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).netloc

    def _error(self, kind: type, message: str, hint: str) -> C360Error:
        error: C360Error = kind(self.source, f"source `{self.source}`: {message}", hint=hint)
        return error


def _read_some(error: BaseException) -> bool:
    """Whether the connection broke inside an answer rather than before it."""
    return any(isinstance(a, (urllib3.exceptions.IncompleteRead, urllib3.exceptions.InvalidChunkLength)) for a in error.args)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from a number or a date."""
    given = headers.get("Retry-After", "").strip()
    if given.isdigit():
        return float(given)
    try:
        return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _sleep(seconds: float, ended: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if ended():
            raise Ended
        time.sleep(min(0.05, left))
