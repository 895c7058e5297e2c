#!/usr/bin/env python3
"""Unpacks a Go toolchain of the module proxy: PROXY VERSION FOLDER."""
import io, os, sys, urllib.request, zipfile

proxy, version, folder = sys.argv[1:]
name = f"v0.0.1-{version}.linux-amd64"
with urllib.request.urlopen(f"{proxy}/golang.org/toolchain/@v/{name}.zip", timeout=300) as answer:
    archive = zipfile.ZipFile(io.BytesIO(answer.read()))
part = folder + ".part"
prefix = f"golang.org/toolchain@{name}/"
for entry in archive.infolist():
    path = os.path.join(part, entry.filename.removeprefix(prefix))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(archive.read(entry))
    # A module has no file modes.
    if "/bin/" in path or "/pkg/tool/" in path:
        os.chmod(path, 0o755)
os.replace(part, folder)
