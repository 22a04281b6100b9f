"""The control plane of the native cluster: etcd, API server, controller manager, scheduler, each on 127.0.0.1 with TLS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from floodhack.certificates import Authority, Pair
from floodhack.component import Component
from floodhack.gobuild import KUBERNETES
from floodhack.instance import Instance
from floodhack.kubeapi import KubeApi, kubeconfig
from floodhack.waiting import listening

LOCAL = ("IP:127.0.0.1", "DNS:localhost")
SERVICES = "10.96.0.0/16"
SERVICES_FIRST = "IP:10.96.0.1"
API_NAMES = tuple(f"DNS:kubernetes{suffix}" for suffix in ("", ".default", ".default.svc", ".default.svc.cluster.local"))


@dataclass(frozen=True)
class ControlPlane:
    """The control plane of one instance."""

    instance: Instance

    @property
    def folder(self) -> Path:
        """The instance's cluster folder."""
        return self.instance.cluster

    @property
    def authority(self) -> Authority:
        """The cluster's own authority."""
        return Authority(self.folder / "pki")

    @property
    def admin(self) -> Pair:
        """The administrator's certificate."""
        return self.authority.issue("admin", "floodwarden-admin", ["system:masters"])

    @property
    def api_port(self) -> int:
        """Where the API server listens."""
        return self.instance.port(6443)

    @property
    def api(self) -> KubeApi:
        """The API server, asked as the administrator."""
        return KubeApi(self.api_port, self.authority.pair.certificate, self.admin)

    def prepare(self) -> None:
        """Make keys and kubeconfigs, unless they exist."""
        self.authority.create()
        self.client_config("admin", self.admin, self.instance.kubeconfig)

    def client_config(self, name: str, client: Pair, path: Path | None = None) -> Path:
        """The kubeconfig of one identity, made unless it exists."""
        path = path or self.folder / "pki" / f"{name}.kubeconfig"
        if not path.exists():
            path.touch(mode=0o600)
            context = f"floodwarden-{self.instance.number}"
            path.write_text(kubeconfig(self.api_port, self.authority.pair.certificate, client, context))
        return path

    def components(self) -> list[Component]:
        """The components in the order they start in."""
        return [self._etcd(), self._api_server(), self._controller_manager(), self._scheduler()]

    def _etcd(self) -> Component:
        port, peers = self.instance.port(2379), self.instance.port(2380)
        pair = self.authority.issue("etcd", "etcd", addresses=LOCAL)
        return Component(
            "etcd",
            self.folder,
            [
                "etcd",
                "--name=floodwarden",
                f"--data-dir={self.folder / 'etcd'}",
                f"--listen-client-urls=https://127.0.0.1:{port}",
                f"--advertise-client-urls=https://127.0.0.1:{port}",
                f"--listen-peer-urls=http://127.0.0.1:{peers}",
                f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
                f"--initial-cluster=floodwarden=http://127.0.0.1:{peers}",
                "--client-cert-auth",
                f"--trusted-ca-file={self.authority.pair.certificate}",
                f"--cert-file={pair.certificate}",
                f"--key-file={pair.key}",
                # A cluster to throw away: no waiting for the disk, and a lone member need not wait long for an election.
                "--unsafe-no-fsync",
                "--heartbeat-interval=100",
                "--election-timeout=500",
                "--logger=zap",
                "--log-level=warn",
            ],
            port,
            ready=lambda: listening(port),
        )

    def _api_server(self) -> Component:
        pki = self.authority
        serving = pki.issue("api-server", "kube-apiserver", addresses=[*LOCAL, SERVICES_FIRST, *API_NAMES])
        to_etcd = pki.issue("api-server-etcd", "kube-apiserver-etcd-client")
        to_kubelet = pki.issue("api-server-kubelet", "kube-apiserver-kubelet-client", ["system:masters"])
        return Component(
            "apiserver",
            self.folder,
            [
                KUBERNETES.bin / "kube-apiserver",
                "--bind-address=127.0.0.1",
                f"--secure-port={self.api_port}",
                # A loopback advertise address is refused; this one is reserved for documentation and never used.
                "--advertise-address=192.0.2.1",
                "--endpoint-reconciler-type=none",
                f"--etcd-servers=https://127.0.0.1:{self.instance.port(2379)}",
                f"--etcd-cafile={pki.pair.certificate}",
                f"--etcd-certfile={to_etcd.certificate}",
                f"--etcd-keyfile={to_etcd.key}",
                f"--tls-cert-file={serving.certificate}",
                f"--tls-private-key-file={serving.key}",
                f"--client-ca-file={pki.pair.certificate}",
                "--authorization-mode=Node,RBAC",
                "--enable-admission-plugins=NodeRestriction",
                "--allow-privileged=true",
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                f"--service-account-key-file={pki.account_key}",
                f"--service-account-signing-key-file={pki.account_key}",
                f"--service-cluster-ip-range={SERVICES}",
                f"--kubelet-certificate-authority={pki.pair.certificate}",
                f"--kubelet-client-certificate={to_kubelet.certificate}",
                f"--kubelet-client-key={to_kubelet.key}",
                "--kubelet-preferred-address-types=Hostname",
                "--profiling=false",
            ],
            self.api_port,
            ready=self.api.ready,
        )

    def _controller_manager(self) -> Component:
        pki = self.authority
        port = self.instance.port(10257)
        name = "kube-controller-manager"
        config = self.client_config(name, pki.issue(name, f"system:{name}"))
        return Component(
            "controller-manager",
            self.folder,
            [
                KUBERNETES.bin / name,
                "--bind-address=127.0.0.1",
                f"--secure-port={port}",
                f"--cert-dir={self.folder / 'controller-manager'}",
                f"--kubeconfig={config}",
                f"--authentication-kubeconfig={config}",
                f"--authorization-kubeconfig={config}",
                f"--root-ca-file={pki.pair.certificate}",
                f"--service-account-private-key-file={pki.account_key}",
                f"--cluster-signing-cert-file={pki.pair.certificate}",
                f"--cluster-signing-key-file={pki.pair.key}",
                "--use-service-account-credentials=true",
                "--leader-elect=false",
                "--kube-api-qps=200",
                "--kube-api-burst=300",
                "--profiling=false",
            ],
            port,
            ready=lambda: listening(port),
        )

    def _scheduler(self) -> Component:
        port = self.instance.port(10259)
        name = "kube-scheduler"
        config = self.client_config(name, self.authority.issue(name, f"system:{name}"))
        return Component(
            "scheduler",
            self.folder,
            [
                KUBERNETES.bin / name,
                "--bind-address=127.0.0.1",
                f"--secure-port={port}",
                f"--cert-dir={self.folder / 'scheduler'}",
                f"--kubeconfig={config}",
                f"--authentication-kubeconfig={config}",
                f"--authorization-kubeconfig={config}",
                "--leader-elect=false",
                "--kube-api-qps=200",
                "--kube-api-burst=300",
                "--profiling=false",
            ],
            port,
            ready=lambda: listening(port),
        )
