"""What a node leaves in the kernel, found and removed without the help of the programs that made it.

Processes are found by the cgroups of the containers that containerd has notes of, mounts by the instance's folder, network
devices by the instance's bridge. So it works as well after everything was killed as after an orderly stop.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

from floodhack.errors import HackError
from floodhack.process import end, strays
from floodhack.waiting import until

CGROUPS = Path("/sys/fs/cgroup")
# The kubelet's containers live in this namespace of containerd, and in the cgroup of that name: all instances share it.
NAMESPACE = "k8s.io"
CNI_NOTES = Path("/var/lib/cni/results")


def _cgroup_folders(container: str) -> Iterator[Path]:
    """The container's cgroups in the unified hierarchy and in each version 1 controller, deepest folders first."""
    place = f"{NAMESPACE}/{container}"
    for root in (CGROUPS / place, *CGROUPS.glob(f"*/{place}")):
        if root.is_dir():
            for folder, _, _ in os.walk(root, topdown=False):
                yield Path(folder)


def _processes(container: str) -> set[int]:
    pids: set[int] = set()
    for folder in _cgroup_folders(container):
        try:
            pids.update(int(line) for line in (folder / "cgroup.procs").read_text().split())
        except OSError:
            continue
    return pids


def containers(containerd: Path) -> set[str]:
    """The ids of all containers that containerd, or else runc, keeps notes of below containerd's folder."""
    notes = (f"state/io.containerd.runtime.v2.task/{NAMESPACE}", f"runc/{NAMESPACE}")
    return {entry.name for note in notes if (containerd / note).is_dir() for entry in (containerd / note).iterdir()}


def remove_container(container: str) -> None:
    """Kill every process of the container; remove its cgroups, in all hierarchies, and the CNI library's notes about it."""

    def removed() -> bool:
        for pid in _processes(container):
            end(pid, seconds=0)
        left = False
        for folder in _cgroup_folders(container):
            try:
                folder.rmdir()
            except OSError:
                left = True
        return not left

    until(removed, seconds=20, what=f"removing the cgroups of container {container}")
    for note in CNI_NOTES.glob(f"*-{container}-*"):
        note.unlink()


def remove_containers(containerd: Path) -> None:
    """End all containers below containerd's folder, and remove the cgroup all instances share if nobody else uses it."""
    for container in containers(containerd):
        remove_container(container)
    for shared in (CGROUPS / NAMESPACE, *CGROUPS.glob(f"*/{NAMESPACE}")):
        with contextlib.suppress(OSError):
            shared.rmdir()


def end_strays(folder: Path, sparing: Collection[int] = ()) -> list[int]:
    """End every process that carries the folder's mark, such as the shims of containers; the pids of those that lived.

    Processes in `sparing` are left alone, and so are their descendants, which inherit the mark.
    """
    found = [pid for pid in strays(folder) if not _descends(pid, sparing)]
    return [pid for pid in found if end(pid, seconds=2)]


def _descends(pid: int, ancestors: Collection[int]) -> bool:
    while pid > 1 and pid not in ancestors:
        try:
            # The command name, in parentheses, may hold spaces: fields are counted after it.
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return pid in ancestors


def mounts_below(folder: Path) -> list[Path]:
    """Mount points at or below the folder, latest first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        # Spaces and the like are written as octal escapes.
        where = Path(re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), line.split()[4]))
        if where.is_relative_to(folder):
            found.append(where)
    return found[::-1]


def unmount_below(folder: Path) -> None:
    """Unmount all below the folder; HackError when something stays mounted."""
    for where in mounts_below(folder):
        subprocess.run(["umount", "-l", where], capture_output=True, check=False)
    left = mounts_below(folder)
    if left:
        raise HackError(f"still mounted: {', '.join(map(str, left))}; unmount it with `umount` and try again")


def remove_bridge(name: str) -> None:
    """Remove the network bridge, if it exists."""
    if Path(f"/sys/class/net/{name}").exists():
        subprocess.run(["ip", "link", "delete", name], capture_output=True, check=False)


def remove_shim_sockets(state: Path) -> None:
    """Remove the sockets of containerd's shims, which lie outside its state folder; each shim's bundle names its own."""
    for note in state.glob(f"io.containerd.runtime.v2.task/{NAMESPACE}/*/address"):
        address = note.read_text().strip().removeprefix("unix://")
        if address.startswith("/run/containerd/s/"):
            Path(address).unlink(missing_ok=True)


def remove_pod_logs(runtime_log: Path) -> None:
    """Remove from /var/log/pods what kubelets older than 1.30 write there, for the pods that this log of containerd names."""
    named = runtime_log.read_text(errors="replace") if runtime_log.exists() else ""
    for folder in Path("/var/log/pods").glob("*_*_*"):
        if folder.name.rpartition("_")[2] in named:
            remove_log_links(folder)
            shutil.rmtree(folder)


def remove_log_links(pods: Path) -> None:
    """Remove the links that the kubelet keeps in /var/log/containers to logs below `pods`."""
    for link in Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(pods):
            link.unlink()
