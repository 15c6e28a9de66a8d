#!/usr/bin/env python3
"""Writes what the command `bias` is built from as CycloneDX 1.5 (JSON), to standard output:

    python3 scripts/sbom.py [CARGO_FEATURE_OPTION...] > sbom.json

Every package with its version, licence, hash and dependencies, as Cargo.lock and `cargo metadata`
have them, for all platforms; `--filter-platform` names one. It needs Python 3.11, and no network
once the sources are there.
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "bias-cli"


def metadata(options):
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    command += ["--manifest-path", str(ROOT / "crates" / PROGRAM / "Cargo.toml"), *options]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def reached(nodes, start):
    """What is built with the package `start`: dependencies of tests are left out."""
    found, wanted = {}, [start]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        own = [
            each["pkg"]
            for each in nodes[name]["deps"]
            if any(kind["kind"] != "dev" for kind in each["dep_kinds"])
        ]
        found[name] = own
        wanted += own
    return found


def component(package, hashes):
    name, version = package["name"], package["version"]
    own = {
        "type": "library",
        "bom-ref": package["id"],
        "name": name,
        "version": version,
        "purl": f"pkg:cargo/{name}@{version}",
    }
    if package["license"]:
        # Older manifests write `/` for `OR`.
        words = [word.strip() for word in package["license"].split("/")]
        own["licenses"] = [{"expression": " OR ".join(words)}]
    if (name, version) in hashes:
        own["hashes"] = [{"alg": "SHA-256", "content": hashes[name, version]}]
    if package["source"] is None:
        # A path of this machine says nothing elsewhere.
        own["bom-ref"] = f"{name}@{version}"
    return own


def main():
    found = metadata(sys.argv[1:])
    packages = {each["id"]: each for each in found["packages"]}
    nodes = {each["id"]: each for each in found["resolve"]["nodes"]}
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    hashes = {(p["name"], p["version"]): p["checksum"] for p in lock if "checksum" in p}
    start = next(each["id"] for each in found["packages"] if each["name"] == PROGRAM)
    built = reached(nodes, start)
    all_of_it = {name: component(packages[name], hashes) for name in sorted(built)}
    ref = {name: own["bom-ref"] for name, own in all_of_it.items()}
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**all_of_it[start], "type": "application"}},
        "components": [own for name, own in all_of_it.items() if name != start],
        "dependencies": [
            {"ref": ref[name], "dependsOn": sorted(ref[other] for other in set(built[name]))}
            for name in all_of_it
        ],
    }
    json.dump(bill, sys.stdout, indent=1)
    print()


main()
