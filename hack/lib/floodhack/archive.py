"""Images of one layer, written as docker archives without a builder: the pause program, and the base image."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path
from typing import Any

from floodhack.gobuild import KUBERNETES
from floodhack.instance import cache_dir

PAUSE_IMAGE = "localhost/floodwarden-pause:1"
DATED = "2026-01-01T00:00:00Z"


def pause_archive() -> Path:
    """The archive with the image that holds a pod's namespaces, made unless the cache has it."""
    archive = cache_dir() / "images" / f"pause-{KUBERNETES.version}.tar"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        layer = archive.with_suffix(".layer")
        with tarfile.open(layer, "w") as tar:
            tar.add(KUBERNETES.ensure() / "pause", arcname="pause")
        write_image(archive, layer, PAUSE_IMAGE, {"Entrypoint": ["/pause"], "User": "65534:65534"})
        layer.unlink()
    return archive


def write_image(archive: Path, layer: Path, name: str, config: dict[str, Any]) -> None:
    """Write a docker archive of an image called `name` whose one layer is the tar file `layer`.

    `config` is the run-time part of the image's configuration: Entrypoint, Env, User and the like.
    """
    with layer.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    image = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": config,
        # Builders refuse an image whose history does not account for its layers, and reuse no layer on top of an undated one.
        "created": DATED,
        "history": [{"created": DATED, "created_by": "hack/image"}],
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    draft = archive.with_suffix(".new")
    with tarfile.open(draft, "w") as tar:
        for entry, text in (("config.json", json.dumps(image)), ("manifest.json", json.dumps(manifest))):
            header = tarfile.TarInfo(entry)
            header.size = len(text.encode())
            tar.addfile(header, io.BytesIO(text.encode()))
        tar.add(layer, arcname="layer.tar")
    draft.rename(archive)
