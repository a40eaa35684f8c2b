"""Who gets in: the page that this server has given out, on this machine, and nobody else.

Every web site that is open in the same browser can send requests to a server on this machine. None of them knows the token, which is
part of every address; none of them can send another site's ``Origin``; and one whose name was made to point here (DNS rebinding) is
found out by ``Host``.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",  # the address holds the token
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


def new_token() -> str:
    """What nobody guesses."""
    return secrets.token_urlsafe(24)


@dataclass(frozen=True)
class Guard:
    """An application behind a token: ``/TOKEN/path`` is its ``/path``.

    Parameters
    ----------
    app : ASGI application
    token : str
    host : str
        Where the server listens: a name or an address that may stand in ``Host``, beside those of this machine.
    """

    app: ASGIApp
    token: str
    host: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it before anything of its body is read."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        refused = self._refusal(scope)
        inner = {**scope, "path": _parts(scope)[1], "raw_path": _parts(scope)[1].encode()}
        app = PlainTextResponse(refused, 403) if refused else self.app

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await app(inner, receive, with_headers)
        return None

    def _refusal(self, scope: Scope) -> str:
        """Why a request is not answered; empty if it is."""
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self._is_here(hosts[0]):
            return "this server has another name"
        if any(_address(f"{origin}/") != hosts[0].lower() for origin in origins):
            return "the request comes from another site"
        if not secrets.compare_digest(_parts(scope)[0].encode(), self.token.encode()):
            return "open the address that kwstrain studio has printed"
        return ""

    def _is_here(self, host: str) -> bool:
        name = _name(host)
        if name in ("localhost", self.host):
            return True
        try:
            address = ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not is_loopback(self.host)  # no name can be made to point to a number


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _parts(scope: Scope) -> tuple[str, str]:
    """Token and path of an address ``/TOKEN/path``."""
    token, slash, path = scope["path"].removeprefix("/").partition("/")
    return (token, f"/{path}") if slash else ("", "/")


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _address(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""
