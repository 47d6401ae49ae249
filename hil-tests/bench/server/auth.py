"""Who may do what: bearer tokens and permissions of the API, with ChirpStack's way of refusing.

Source: chirpstack `api/auth/`. Tokens are HS256 JSON Web Tokens (RFC 7519) with audience and issuer "chirpstack";
`typ` is "user" (valid one day) or "key" (no end). A refused permission is UNAUTHENTICATED with an empty message,
never PERMISSION_DENIED: permission is tested by a database query that finds nothing, whatever the reason. So a tenant
key gets UNAUTHENTICATED for a device that does not exist; an admin key gets NOT_FOUND.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import NoReturn

import grpc

from bench.server.errors import NotFound
from bench.server.storage import Storage

ISSUER = "chirpstack"
USER_TOKEN_LIFE_S = 86_400
_HEADER = {"alg": "HS256", "typ": "JWT"}


@dataclass(frozen=True, slots=True)
class Identity:
    """Behind a valid token."""

    kind: str
    """user or key."""
    subject: str
    is_admin: bool
    tenant_id: str = ""
    is_read_only: bool = False


class Tokens:
    """Makes and checks tokens with a secret that lives as long as the server."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._secret = secrets.token_bytes(32)

    def for_key(self, key_id: str) -> str:
        """Token of an API key."""
        return self._sign({"aud": ISSUER, "iss": ISSUER, "sub": key_id, "typ": "key"})

    def for_user(self, user_id: str, now_s: int) -> str:
        """Token of a login."""
        return self._sign(
            {"aud": ISSUER, "iss": ISSUER, "sub": user_id, "typ": "user", "exp": now_s + USER_TOKEN_LIFE_S}
        )

    def identify(self, token: str, now_s: int) -> Identity | None:
        """Whose token it is; None when it is not ours, over, or its key was deleted."""
        try:
            signed, _, signature = token.rpartition(".")
            if not hmac.compare_digest(_b64(self._mac(signed)), signature):
                return None
            claims = json.loads(_unb64(signed.partition(".")[2]))
        except (ValueError, UnicodeError):
            return None
        if claims["typ"] == "user":
            return Identity("user", claims["sub"], is_admin=True) if now_s < claims["exp"] else None
        key = self._storage.api_keys.get(claims["sub"])
        if key is None:
            return None
        return Identity("key", key.id, key.is_admin, key.tenant_id, key.is_read_only)

    def _sign(self, claims: dict[str, str | int]) -> str:
        signed = ".".join(_b64(json.dumps(part, separators=(",", ":")).encode()) for part in (_HEADER, claims))
        return f"{signed}.{_b64(self._mac(signed))}"

    def _mac(self, signed: str) -> bytes:
        return hmac.new(self._secret, signed.encode(), hashlib.sha256).digest()


def bearer_token(metadata: tuple[tuple[str, str | bytes], ...]) -> str | None:
    """The token of `authorization: Bearer <token>`, or None."""
    for key, value in metadata:
        if key == "authorization" and isinstance(value, str) and value.startswith("Bearer "):
            return value.removeprefix("Bearer ")
    return None


class Permission:
    """Questions a service asks before it acts; a wrong answer ends the call."""

    def __init__(self, storage: Storage, identity: Identity, context: grpc.ServicerContext) -> None:
        self._storage = storage
        self._identity = identity
        self._context = context

    def admin(self) -> None:
        """Only an admin key or user."""
        if not self._identity.is_admin:
            self._refuse()

    def user(self) -> None:
        """Only a login; API keys are refused."""
        if self._identity.kind != "user":
            self._refuse()

    def tenant(self, tenant_id: str, *, write: bool = False) -> None:
        """Something of this tenant."""
        self._of_tenant(tenant_id, write)

    def application(self, application_id: str, *, write: bool = False) -> None:
        """An application, or a device in it."""
        try:
            owner = self._storage.application(application_id).tenant_id
        except NotFound:
            owner = ""
        self._of_tenant(owner, write)

    def profile(self, profile_id: str, *, write: bool = False) -> None:
        """A device profile; a global one may be read by anybody."""
        try:
            owner = self._storage.profile(profile_id).tenant_id
        except NotFound:
            owner = ""
        else:
            if not owner and not write:
                return
        self._of_tenant(owner, write)

    def device(self, dev_eui: str, *, write: bool = False) -> None:
        """A device."""
        try:
            owner = self._storage.tenant_of_device(dev_eui)
        except NotFound:
            owner = ""
        self._of_tenant(owner, write)

    def gateway(self, gateway_id: str, *, write: bool = False) -> None:
        """A gateway."""
        try:
            owner = self._storage.gateway(gateway_id).tenant_id
        except NotFound:
            owner = ""
        self._of_tenant(owner, write)

    def _of_tenant(self, tenant_id: str, write: bool) -> None:
        identity = self._identity
        if write and identity.is_read_only:
            self._refuse()
        if not identity.is_admin and (not tenant_id or identity.tenant_id != tenant_id):
            self._refuse()

    def _refuse(self) -> NoReturn:
        self._context.abort(grpc.StatusCode.UNAUTHENTICATED, "")
        raise AssertionError("abort returned")


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
