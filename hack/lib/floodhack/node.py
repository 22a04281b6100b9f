"""The node of the native cluster: containerd and the kubelet, with everything they keep inside the instance's folder."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from floodhack import leftovers
from floodhack.archive import PAUSE_IMAGE, pause_archive
from floodhack.component import Component
from floodhack.controlplane import LOCAL, ControlPlane
from floodhack.errors import HackError
from floodhack.gobuild import KUBERNETES
from floodhack.presence import ensure_commands
from floodhack.process import Daemon
from floodhack.waiting import listening

NAME = "localhost"
CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
# The kernel takes socket paths of at most 107 bytes; the kubelet's longest is `<folder>/kubelet/pod-resources/kubelet.sock`.
LONGEST_FOLDER = 70
EVICTION_SIGNALS = (
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
)

CONTAINERD = """\
version = 2
root = "{folder}/containerd/root"
state = "{folder}/containerd/state"

[grpc]
address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
# Without CAP_SYS_RESOURCE no process may lower its score.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{cni}"
conf_dir = "{folder}/cni"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = "{folder}/containerd/runc"
"""


@dataclass(frozen=True)
class Node:
    """The one node of an instance's native cluster."""

    control: ControlPlane

    @property
    def folder(self) -> Path:
        """The instance's cluster folder."""
        return self.control.folder

    @property
    def socket(self) -> Path:
        """Where containerd listens."""
        return self.folder / "containerd" / "containerd.sock"

    @property
    def bridge(self) -> str:
        """The network bridge of pods that do not use the host's network."""
        return f"fwbr{self.control.instance.number}"

    def prepare(self) -> None:
        """Write the configurations; HackError when the machine cannot hold a node."""
        ensure_commands(
            {
                "containerd": "containerd",
                "ctr": "containerd",
                "runc": "runc",
                "ip": "iproute2",
                "mount": "mount",
                **({} if any(folder.is_dir() for folder in CNI_FOLDERS) else {"/usr/lib/cni": "containernetworking-plugins"}),
            }
        )
        if len(str(self.folder)) > LONGEST_FOLDER:
            raise HackError(f"{self.folder} is too long for the names of sockets; move the checkout to a shorter path")
        (self.folder / "containerd").mkdir(parents=True, exist_ok=True)
        (self.folder / "cni").mkdir(exist_ok=True)
        (self.folder / "kubelet").mkdir(exist_ok=True)
        cni = next(folder for folder in CNI_FOLDERS if folder.is_dir())
        (self.folder / "cni" / "10-floodwarden.conflist").write_text(json.dumps(self._network(), indent=2))
        (self.folder / "containerd" / "config.toml").write_text(
            CONTAINERD.format(
                folder=self.folder,
                socket=self.socket,
                pause=PAUSE_IMAGE,
                cni=cni,
                snapshotter="overlayfs" if overlays(self.folder) else "native",
            )
        )
        (self.folder / "kubelet" / "config.json").write_text(json.dumps(self._kubelet_config(), indent=2))

    def containerd(self) -> Component:
        """The container runtime."""
        return Component(
            "containerd",
            self.folder,
            ["containerd", f"--config={self.folder / 'containerd' / 'config.toml'}"],
            0,
            ready=lambda: self.ctr("version").returncode == 0,
        )

    def kubelet(self) -> Component:
        """The kubelet."""
        identity = self.control.authority.issue("kubelet", f"system:node:{NAME}", ["system:nodes"])
        health = self.control.instance.port(10248)
        return Component(
            "kubelet",
            self.folder,
            [
                KUBERNETES.bin / "kubelet",
                f"--config={self.folder / 'kubelet' / 'config.json'}",
                f"--kubeconfig={self.control.client_config('kubelet', identity)}",
                f"--root-dir={self.folder / 'kubelet'}",
                # This name is also the address `kubectl logs` and `exec` reach the kubelet by.
                f"--hostname-override={NAME}",
                "--housekeeping-interval=30s",
            ],
            health,
            ready=lambda: listening(health),
        )

    def ctr(self, *args: str | Path) -> subprocess.CompletedProcess[str]:
        """Run containerd's own client against this node."""
        command = ["ctr", f"--address={self.socket}", f"--namespace={leftovers.NAMESPACE}", *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def load(self, archive: Path) -> None:
        """Import the images of a docker or OCI archive."""
        done = self.ctr("images", "import", "--snapshotter", self._snapshotter(), archive)
        if done.returncode != 0:
            raise HackError(f"containerd does not take {archive}: {done.stderr.strip()}")

    def load_pause(self) -> None:
        """Import the image that holds pods' namespaces, unless the node has it."""
        if PAUSE_IMAGE not in self.ctr("images", "list", "-q").stdout.split():
            self.load(pause_archive())

    def remove(self) -> None:
        """End all that the node runs and take away what it leaves in the kernel, whatever state it is in."""
        for name in ("kubelet", "containerd"):
            Daemon(name, self.folder).stop(seconds=1)
        leftovers.remove_containers(self.folder / "containerd")
        leftovers.end_strays(self.folder)
        leftovers.remove_shim_sockets(self.folder / "containerd" / "state")
        leftovers.unmount_below(self.folder)
        leftovers.remove_bridge(self.bridge)
        leftovers.remove_pod_logs(self.containerd().daemon.log)
        leftovers.remove_log_links(self.folder / "logs" / "pods")

    def _snapshotter(self) -> str:
        configured = (self.folder / "containerd" / "config.toml").read_text()
        return "overlayfs" if 'snapshotter = "overlayfs"' in configured else "native"

    def _network(self) -> dict[str, object]:
        ipam = {
            "type": "host-local",
            "dataDir": str(self.folder / "cni" / "addresses"),
            "ranges": [[{"subnet": f"10.244.{self.control.instance.number}.0/24"}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        plugin = {"type": "bridge", "bridge": self.bridge, "isGateway": True, "ipam": ipam}
        return {"cniVersion": "0.4.0", "name": f"floodwarden-{self.control.instance.number}", "plugins": [plugin]}

    def _kubelet_config(self) -> dict[str, object]:
        pki = self.control.authority
        serving = pki.issue("kubelet-serving", f"system:node:{NAME}", addresses=LOCAL)
        instance = self.control.instance
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": "127.0.0.1",
            "port": instance.port(10250),
            "healthzBindAddress": "127.0.0.1",
            "healthzPort": instance.port(10248),
            "readOnlyPort": 0,
            "tlsCertFile": str(serving.certificate),
            "tlsPrivateKeyFile": str(serving.key),
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(pki.pair.certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "podLogsDir": str(self.folder / "logs" / "pods"),
            "volumePluginDir": str(self.folder / "kubelet" / "volume-plugins"),
            "resolvConf": "/etc/resolv.conf",
            # The machine is shared and may be a container itself: no hierarchy of cgroups, no limits on the node.
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            "failCgroupV1": False,
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "localStorageCapacityIsolation": False,
            "makeIPTablesUtilChains": False,
            # Images come only by import: losing one to garbage collection, or a pod to a full disk, would be for good.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": dict.fromkeys(EVICTION_SIGNALS, "0%"),
            "kubeAPIQPS": 200,
            "kubeAPIBurst": 300,
            "eventRecordQPS": 0,
            "enableProfilingHandler": False,
        }


def overlays(folder: Path) -> bool:
    """Whether overlays can be mounted in the folder, which they cannot on top of another overlay."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        parts = [Path(scratch) / name for name in ("lower", "upper", "work", "merged")]
        for part in parts:
            part.mkdir()
        options = f"lowerdir={parts[0]},upperdir={parts[1]},workdir={parts[2]}"
        command: list[str | Path] = ["mount", "-t", "overlay", "overlay", "-o", options, parts[3]]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return False
        subprocess.run(["umount", parts[3]], check=True)
        return True
