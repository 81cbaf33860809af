"""Images that are one static program: written as OCI archives without any tool."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

PREFIX = "localhost/iac-dharma-dev"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def reference(program: Path) -> str:
    """Return the image's name: its tag is the program's content."""
    return f"{PREFIX}/{program.name}:{hashlib.sha256(program.read_bytes()).hexdigest()[:12]}"


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def write_image(program: Path, target: Path, machine: str) -> str:
    """Write an image whose only file and entry point is `program` (a static binary) as an OCI archive; return its name."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        _add(archive, program.name, program.read_bytes(), 0o755)
    blobs: dict[str, bytes] = {}

    def blob(content: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    layer_descriptor = blob(layer.getvalue(), "application/vnd.oci.image.layer.v1.tar")
    config = {
        "architecture": ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"]},
        "rootfs": {"type": "layers", "diff_ids": [layer_descriptor["digest"]]},
    }
    config_descriptor = blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json")
    media_type = "application/vnd.oci.image.manifest.v1+json"
    content = {"schemaVersion": 2, "mediaType": media_type, "config": config_descriptor, "layers": [layer_descriptor]}
    descriptor = blob(json.dumps(content).encode(), media_type)
    name = reference(program)
    descriptor["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    with tarfile.open(target, "w") as archive:
        _add(archive, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        _add(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": [descriptor]}).encode())
        for digest, data in blobs.items():
            _add(archive, f"blobs/sha256/{digest}", data)
    return name
