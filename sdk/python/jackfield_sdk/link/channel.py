"""The gRPC channel of a plugin: one connection, found again within 200 ms, never through a proxy."""

from __future__ import annotations

import grpc
import grpc.aio

from jackfield_sdk.link.bootstrap import Bootstrap

MAX_BATCH_BYTES = 1 << 20

OPTIONS: tuple[tuple[str, int | str], ...] = (
    # The path of a unix socket is no valid authority for every server.
    ("grpc.default_authority", "localhost"),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
    # Two links of one process (tests) must not share a connection and its back-off.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", MAX_BATCH_BYTES + 65_536),
    ("grpc.max_send_message_length", MAX_BATCH_BYTES + 65_536),
)


def open_channel(bootstrap: Bootstrap) -> grpc.aio.Channel:
    """A channel to the kernel: mutual TLS where the bootstrap holds a certificate, else a local socket."""
    if bootstrap.certificate:
        credentials = grpc.ssl_channel_credentials(
            root_certificates=bootstrap.roots.encode() or None,
            private_key=bootstrap.private_key.encode(),
            certificate_chain=bootstrap.certificate.encode(),
        )
        remote = [option for option in OPTIONS if option[0] != "grpc.default_authority"]
        return grpc.aio.secure_channel(bootstrap.address, credentials, options=remote)
    return grpc.aio.insecure_channel(bootstrap.address, options=OPTIONS)
