"""Builds access control from the settings."""

from __future__ import annotations

from athena.auth.access import Access
from athena.auth.addresses import Proxies
from athena.auth.gate import Gate, Limits
from athena.auth.origins import Origins
from athena.auth.store import AuthStore
from athena.config import Config
from athena.errors import StartupError


def build_access(config: Config) -> Access | None:
    """Access control, or None if it is switched off. Raises `StartupError` for settings that contradict each other."""
    if config.auth == "none":
        return None
    tokens = None
    if config.jwt_issuer:
        from athena.auth.tokens import TokenRules, TokenVerifier, roles_from  # see athena.auth.access

        rules = TokenRules(
            issuer=config.jwt_issuer,
            audience=config.jwt_audience,
            algorithms=config.jwt_algorithms,
            role_claim=config.jwt_role_claim,
            roles=roles_from(config.jwt_roles),
            jwks_url=config.jwks_url,
            secret_file=config.jwt_secret_file,
        )
        tokens = TokenVerifier(rules)
    elif config.jwks_url or config.jwt_secret_file or config.jwt_audience:
        raise StartupError("--jwt-issuer: expected the name of the identity provider, got nothing")
    return Access(config, AuthStore(config.data), tokens)


def build_gate(config: Config, access: Access | None) -> Gate:
    return Gate(
        access,
        Origins(config.allow_origin, config.public_url, loopback_only=access is None),
        Proxies(config.behind_proxy),
        Limits(
            viewer_rate=config.viewer_rate,
            producer_rate=config.producer_rate,
            burst_seconds=10.0,
            per_address=config.connections_per_address,
            per_identity=config.connections_per_identity,
        ),
        attempts=config.bad_credentials,
    )
