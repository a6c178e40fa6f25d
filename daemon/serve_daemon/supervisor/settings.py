"""What the configuration says, in the words of the processes that work by it. Pure."""

import sys
from collections.abc import Iterable
from itertools import cycle, islice
from pathlib import Path
from typing import Literal

from serve_daemon.config.access import TLS_FILES
from serve_daemon.config.api_keys import Grant
from serve_daemon.config.certificate import Tls
from serve_daemon.config.schema import Config
from serve_daemon.config.tuning import Model
from serve_daemon.supervisor.instance import Limits
from serve_daemon.supervisor.ports import UnitSettings
from serve_daemon.supervisor.programs import EngineLaunch, GatewaySpec
from serve_daemon.supervisor.restarts import RestartPolicy
from serve_daemon.wire.batching import Batching
from serve_daemon.wire.messages import EngineSpec
from serve_daemon.wire.routing import GatewaySettings, KeyGrant

TLS_KEYS = (*TLS_FILES, "tls_min_version")
# A gateway is small and ours: it starts in a second, and is started again for ever.
GATEWAY_START_SECONDS = 60.0
GATEWAY_HANG_SECONDS = 20.0
GATEWAY_RESTARTS = RestartPolicy(
    delay_seconds=0.1, delay_max_seconds=5.0, limit=None, interval_seconds=60.0
)


def engine_spec(name: str, model: Model) -> EngineSpec:
    (device,) = model.devices  # of one replica
    return EngineSpec(
        model=name,
        source=model.source,
        engine=model.engine,
        dtype=model.dtype,
        attn_implementation=model.attn_implementation,
        quantization=model.quantization,
        gguf=model.gguf,
        device=device,
        load_format=model.load_format,
        trust_remote_code=model.trust_remote_code,
        max_requests=model.max_requests,
        max_context=model.max_context,
        max_batch_tokens=model.max_batch_tokens,
        kv_cache_memory=int(model.kv_cache_memory),
        kv_cache_dtype=model.kv_cache_dtype,
        allow_block_sharing=model.allow_block_sharing,
        batching=Batching(
            default_compile_level=model.default_compile_level,
            use_cuda_graph=_chosen(model.use_cuda_graph),
            use_async_batching=_chosen(model.use_async_batching),
            cpu_offload_space=int(model.cpu_offload_space),
        ),
    )


def _chosen(switch: Literal["auto"] | bool) -> bool | None:
    return None if switch == "auto" else switch


def engine_launches(name: str, model: Model, config: Config) -> tuple[EngineLaunch, ...]:
    """One for each replica, on the devices in turn."""
    python = config.engine.interpreter or sys.executable
    devices = islice(cycle(model.devices), model.replicas)
    return tuple(EngineLaunch(python, engine_spec(name, model.on(each))) for each in devices)


def engine_settings(model: Model, config: Config) -> UnitSettings:
    return UnitSettings(
        Limits(model.start_timeout, model.hang_timeout, config.server.drain_timeout),
        RestartPolicy(
            model.restart_delay,
            model.restart_delay_max,
            model.start_limit,
            model.start_limit_interval,
        ),
    )


def gateway_specs(
    config: Config, installed: str, tls: Tls | None = None
) -> tuple[GatewaySpec, ...]:
    """One for each worker."""
    server = config.server
    spec = GatewaySpec(
        listen=tuple(server.listen),
        max_connections=server.max_connections,
        keep_alive_timeout=server.keep_alive_timeout,
        metrics_path=config.metrics.path if config.metrics.enabled else "",
        metrics_listen=metrics_addresses(config),
        installed=installed,
        tls_keys=tuple(getattr(server, key) for key in TLS_KEYS),
        tls=tls,
    )
    return (spec,) * config.server.workers


def metrics_addresses(config: Config) -> tuple[str, ...]:
    """Where metrics have listeners of their own."""
    return tuple(config.metrics.listen) if config.metrics.enabled else ()


def gateway_unit_settings(config: Config) -> UnitSettings:
    limits = Limits(GATEWAY_START_SECONDS, GATEWAY_HANG_SECONDS, config.server.drain_timeout)
    return UnitSettings(limits, GATEWAY_RESTARTS)


def gateway_settings(
    config: Config, state: Path, grants: Iterable[Grant] = (), control_socket: Path | None = None
) -> GatewaySettings:
    server, responses = config.server, config.responses
    return GatewaySettings(
        workers=server.workers,
        max_body_size=int(server.max_body_size),
        body_timeout=server.body_timeout,
        stall_timeout=server.stall_timeout,
        drain_timeout=server.drain_timeout,
        max_connections=server.max_connections,
        keep_alive_timeout=server.keep_alive_timeout,
        cors_origins=list(server.cors_origins),
        keys=[KeyGrant(each.name, list(each.digests), list(each.models)) for each in grants],
        state_directory=str(state),
        stores_by_default=responses.store,
        logs_prompts=config.log.prompts,
        retention=responses.retention,
        max_store_size=int(responses.max_size),
        control_socket=str(control_socket or ""),
        metrics_path=config.metrics.path if config.metrics.enabled else "",
        has_ui=config.ui.enabled,
    )
