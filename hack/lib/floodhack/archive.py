"""The one image made without a builder: the pause program alone, as a docker archive."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

from floodhack.gobuild import KUBERNETES
from floodhack.instance import cache_dir

PAUSE_IMAGE = "localhost/floodwarden-pause:1"


def pause_archive() -> Path:
    """The archive with the image that holds a pod's namespaces, made unless the cache has it."""
    archive = cache_dir() / "images" / f"pause-{KUBERNETES.version}.tar"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        draft = archive.with_suffix(".new")
        draft.write_bytes(single_program_image((KUBERNETES.ensure() / "pause").read_bytes(), PAUSE_IMAGE))
        draft.rename(archive)
    return archive


def single_program_image(program: bytes, name: str) -> bytes:
    """A docker archive of an image that consists of one static program, run as nobody."""
    layer = _tar({"pause": program})
    config = json.dumps(
        {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Entrypoint": ["/pause"], "User": "65534:65534"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    return _tar({"layer.tar": layer, "config.json": config, "manifest.json": manifest})


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o755
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
