"""Access tokens: JWTs (RFC 7519) signed with EdDSA (RFC 8037)."""

import time
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

import jwt
from cachetools import LRUCache
from jwt.algorithms import OKPAlgorithm

from songserver.auth.key_ring import KeyRing
from songserver.errors import SignInFailure, UserParseError

ALGORITHM = "EdDSA"
CLOCK_SKEW = 30
"""Seconds by which the clocks of servers may differ."""
REQUIRED_CLAIMS = ["exp", "iat", "nbf", "iss", "aud"]
KNOWN_TOKENS = 16_384
"""Verified tokens that are remembered: an EdDSA check takes 150 us, as much as a whole call."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Whom a token was made for."""

    user_id: str
    session_id: str
    expires: float
    """Seconds since the epoch."""
    revision: int = 0
    """That of the user when the token was made."""


class Tokens:
    """Makes and verifies access tokens."""

    def __init__(self, keys: KeyRing, *, issuer: str, audience: str, lifetime: float) -> None:
        """
        Args:
            keys: The keys to sign and verify with.
            issuer: The `iss` of tokens.
            audience: The `aud` of tokens.
            lifetime: Seconds for which a token is good.
        """
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._lifetime = lifetime
        self._known: LRUCache[bytes, Claims] = LRUCache(KNOWN_TOKENS)
        self._withdrawals = keys.withdrawals

    def issue(self, user_id: str, session_id: str, revision: int = 0) -> tuple[str, float]:
        """Makes an access token for a session.

        Returns:
            The token, and when it expires, in seconds since the epoch.
        """
        now = int(time.time())
        expires = now + self._lifetime
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": user_id,
            "sid": session_id,
            "rev": revision,
            "iat": now,
            "nbf": now,
            "exp": expires,
        }
        key = self._keys.signing()
        return jwt.encode(claims, key.private, ALGORITHM, headers={"kid": key.kid}), expires

    def verify(self, token: str) -> Claims:
        """Checks a token's signature, times, issuer and audience.

        Raises:
            SignInFailure: If it is expired, forged, or not ours.
            UserParseError: If it is ours, but its claims are not a user's.
        """
        if self._withdrawals != self._keys.withdrawals:
            self._withdrawals = self._keys.withdrawals
            self._known.clear()
        digest = sha256(token.encode()).digest()
        claims = self._known.get(digest)
        if claims is None:
            claims = self._known[digest] = self._verify(token)
        elif claims.expires + CLOCK_SKEW <= time.time():
            raise SignInFailure("the access token has expired: refresh the session")
        return claims

    def json_web_keys(self) -> list[dict[str, str]]:
        """Gives the public keys that verify tokens, each as a JWK (RFC 8037)."""
        return [
            {**OKPAlgorithm.to_jwk(key, as_dict=True), "kid": kid, "use": "sig", "alg": ALGORITHM}
            for kid, key in self._keys.public_keys().items()
        ]

    def _verify(self, token: str) -> Claims:
        try:
            key = self._keys.public_key(jwt.get_unverified_header(token).get("kid", ""))
            if key is None:
                raise SignInFailure("the access token is not signed with a key of this server: sign in again")
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                leeway=CLOCK_SKEW,
                options={"require": REQUIRED_CLAIMS, "verify_sub": False},
            )
        except jwt.ExpiredSignatureError as error:
            raise SignInFailure("the access token has expired: refresh the session") from error
        except jwt.InvalidTokenError as error:
            raise SignInFailure("the access token is not valid: sign in again") from error
        try:
            user_id, session_id = (str(UUID(claims[name])) for name in ("sub", "sid"))
            revision = int(claims.get("rev", 0))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise UserParseError(
                "the claims sub, sid and rev of the access token are not a user's: sign in again"
            ) from error
        return Claims(user_id, session_id, float(claims["exp"]), revision)
