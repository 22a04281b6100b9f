"""Brings a built image into the cluster's node, unless that very image is there already."""

from __future__ import annotations

import tempfile
from pathlib import Path

from floodhack.engine import choose
from floodhack.imagebuild import Builder
from floodhack.instance import Instance, cache_dir


def load_image(instance: Instance, builder: Builder, tag: str) -> bool:
    """Bring the image called `tag` into the node; whether that was necessary."""
    # Goes with the cluster's state, so a new cluster starts without images and without notes.
    note = instance.cluster / "images" / tag.replace("/", "_")
    identity = builder.identity(tag)
    if note.exists() and note.read_text() == identity:
        return False
    with tempfile.TemporaryDirectory(dir=cache_dir() / "images") as scratch:
        archive = Path(scratch) / "image.tar"
        builder.save(tag, archive)
        choose(instance).load(archive)
    note.parent.mkdir(exist_ok=True)
    note.write_text(identity)
    return True
