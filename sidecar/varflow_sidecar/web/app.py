"""The sidecar's three HTTP applications, each with its middlewares and routes.

    create_variable_app    127.0.0.1 and ::1, for the function: /var, /vars, /state, /log
    create_action_app      all addresses, for the control plane: /actions/<aid>, /instances/gone
    create_health_app      all addresses, for the kubelet and Prometheus

They are three because three parties may reach them.
"""

from __future__ import annotations

from aiohttp import web

from varflow_sidecar.sidecar import Sidecar
from varflow_sidecar.web import middlewares
from varflow_sidecar.web.handlers import actions, health, logs, states, variables
from varflow_sidecar.web.state import SIDECAR


def create_variable_app(sidecar: Sidecar) -> web.Application:
    """Return what answers the function."""
    app = web.Application(
        middlewares=[
            middlewares.for_functions(sidecar.metrics),  # on the path of every GET, hence one
        ]
    )
    app[SIDECAR] = sidecar
    app.add_routes([*variables.routes, *states.routes, *logs.routes])
    return app


def create_action_app(sidecar: Sidecar) -> web.Application:
    """Return what answers the control plane."""
    app = web.Application(
        middlewares=[
            middlewares.errors_rendered,  # above all that raises
            middlewares.authorized(sidecar.settings.token),  # before anything is read
        ]
    )
    app[SIDECAR] = sidecar
    app.add_routes(actions.routes)
    return app


def create_health_app(sidecar: Sidecar) -> web.Application:
    """Return what answers the kubelet and Prometheus; no secrets, so no token."""
    app = web.Application(middlewares=[middlewares.errors_rendered])
    app[SIDECAR] = sidecar
    app.add_routes(health.routes)
    return app
