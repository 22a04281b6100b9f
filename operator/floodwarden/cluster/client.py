"""The way to the API server: who we are, where it is, how many connections.

``connect() -> ApiClient`` finds the cluster as kubectl and client-go do; ``close`` it with ``await client.close()``.
The neighbours talk through ``cluster.rest``, which wraps this client; anything else of the ``kubernetes`` library
(leases, typed models) may share it.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, list_kube_config_contexts, load_incluster_config, load_kube_config

from floodwarden.cluster.leases import own_namespace

POOL_SIZE = 20  # connections to the API server; further requests wait for one


class ClusterConfigError(Exception):
    """No usable cluster configuration; the text says what to set."""


async def connect() -> ApiClient:
    """A client of the cluster that the environment names; nothing is sent yet.

    ``KUBECONFIG`` first (several files as kubectl merges them), else the pod's service account, whose token file is read
    again every minute, else ``~/.kube/config``. Tokens of a kubeconfig's exec plugin are renewed before they end. Outside the
    cluster HTTPS_PROXY and NO_PROXY count, where the kubeconfig names no proxy itself.
    ClusterConfigError when there is none of the three or it cannot be read. Must be called in the event loop that uses it.
    """
    # aiohttp would look for proxies and a .netrc at every request, which costs more than the request.
    configuration = Configuration(connection_pool_maxsize=POOL_SIZE, client_session_kwargs={"trust_env": False})
    named = os.environ.get("KUBECONFIG")
    try:
        if named:
            await _from_kubeconfig(configuration, named)
        elif os.environ.get("KUBERNETES_SERVICE_HOST"):
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            await _from_kubeconfig(configuration, str(Path.home() / ".kube" / "config"))
        client = ApiClient(configuration)
    except ClusterConfigError:
        raise
    except Exception as error:  # whatever the loaders and the parsers under them make of a broken file
        raise ClusterConfigError(f"the cluster configuration cannot be used: {error}; check KUBECONFIG") from error
    client.user_agent = f"floodwarden/{version('floodwarden')}"
    return client


def current_namespace() -> str:
    """The namespace that kubectl would take: of the kubeconfig's current context, of the pod's own where there is none."""
    files = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    if not _any_exists(files):
        return own_namespace()
    try:
        _, active = list_kube_config_contexts(config_file=files)  # type: ignore[no-untyped-call]
        return str(active["context"].get("namespace") or "default")
    except (ConfigException, KeyError, TypeError):
        return "default"  # what is wrong with the file is told by whoever connects


async def _from_kubeconfig(configuration: Configuration, files: str) -> None:
    if not _any_exists(files):
        raise ClusterConfigError(f"no kubeconfig at {files}: set KUBECONFIG, or run in a pod with a service account")
    loader = await load_kube_config(  # type: ignore[no-untyped-call]
        config_file=files, client_configuration=configuration, persist_config=False
    )
    configuration.proxy = configuration.proxy or _proxy(configuration.host)
    if not hasattr(loader, "exec_plugin_expiry"):
        return

    async def renew(configuration: Configuration) -> None:
        await loader.load_from_exec_plugin()  # returns at once until the token nears its end
        configuration.api_key["BearerToken"] = loader.token

    configuration.refresh_api_key_hook = renew  # type: ignore[assignment]


def _proxy(url: str) -> str | None:
    """What the environment names as the proxy to this host."""
    host = urlsplit(url)
    return None if proxy_bypass(host.netloc) else getproxies().get(host.scheme)


def _any_exists(files: str) -> bool:
    return any(Path(file).expanduser().is_file() for file in files.split(os.pathsep) if file)
