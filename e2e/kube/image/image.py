#!/usr/bin/env python3
"""Writes a container image (docker-archive) from tars and directories; no daemon, no registry, reproducible bytes."""
import argparse, hashlib, io, json, os, tarfile, tempfile


def layer_from_directory(root, output, owners):
    def normalise(info):
        info.mtime, info.uname, info.gname = 0, "", ""
        name = info.name.removeprefix("./")
        uid = next((uid for uid, prefix in owners if name == prefix or name.startswith(prefix + "/")), 0)
        info.uid = info.gid = uid
        return info

    with tarfile.open(output, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(os.listdir(root)):
            tar.add(os.path.join(root, name), name, filter=normalise)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def unpack(archive, folder):
    """An archive's settings and the paths its layers were unpacked to."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(folder)
    with open(os.path.join(folder, "manifest.json")) as file:
        manifest = json.load(file)[0]
    with open(os.path.join(folder, manifest["Config"])) as file:
        return json.load(file)["config"], [os.path.join(folder, layer) for layer in manifest["Layers"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--from", dest="base", help="an archive whose layers and settings these go on top of")
    parser.add_argument("--tar", action="append", default=[], help="a root file system as a tar: a layer as it is")
    parser.add_argument("--layer", action="append", default=[], help="a directory: a layer")
    parser.add_argument("--own", action="append", default=[], help="UID:PATH inside the layers from directories")
    parser.add_argument("--passwd", help="USER:UID to write into /etc/passwd and /etc/group")
    parser.add_argument("--user", default="0")
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--entrypoint", action="append", default=[])
    parser.add_argument("--output", required=True)
    options = parser.parse_args()
    owners = [(int(uid), path) for uid, path in (own.split(":") for own in options.own)]

    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(options.output))) as work:
        base, layers = unpack(options.base, work) if options.base else ({}, [])
        layers += options.tar
        directories = list(options.layer)
        if options.passwd:
            user, uid = options.passwd.split(":")
            etc = os.path.join(work, "root", "etc")
            os.makedirs(etc)
            with open(os.path.join(etc, "passwd"), "w") as file:
                file.write(f"root:x:0:0:root:/root:/bin/sh\n{user}:x:{uid}:{uid}::/:/bin/sh\n")
            with open(os.path.join(etc, "group"), "w") as file:
                file.write(f"root:x:0:\n{user}:x:{uid}:\n")
            directories.append(os.path.join(work, "root"))
        for number, directory in enumerate(directories):
            path = os.path.join(work, f"layer{number}.tar")
            layer_from_directory(directory, path, owners)
            layers.append(path)
        digests = [sha256(path) for path in layers]
        settings = {"User": options.user, "Env": options.env or ["PATH=/usr/local/bin:/usr/bin:/bin"], "Entrypoint": options.entrypoint or None}
        config = {
            "architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z",
            "config": base or settings,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        }
        config_bytes = json.dumps(config, sort_keys=True).encode()
        config_name = hashlib.sha256(config_bytes).hexdigest() + ".json"
        manifest = [{"Config": config_name, "RepoTags": [options.name], "Layers": [f"{digest}.tar" for digest in digests]}]
        part = options.output + ".part"
        with tarfile.open(part, "w") as archive:
            for name, data in ((config_name, config_bytes), ("manifest.json", json.dumps(manifest).encode())):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            for digest, path in zip(digests, layers):
                archive.add(path, f"{digest}.tar", filter=lambda info: setattr(info, "mtime", 0) or info)
        os.replace(part, options.output)


if __name__ == "__main__":
    main()
