"""Turn an environment that axbridge was installed into, into what the image ships: `finish_installation.py PREFIX`.

Run by the environment's own Python. Four steps, each giving the same bytes for the same input:
1. distributions that axbridge does not need at run time (what builds it) are removed, file by file;
2. so are the parts of the others that no service ever loads, and what debuggers read in their compiled modules;
3. the rest is compiled to bytecode that is never checked against the sources' times;
4. a bill of materials in CycloneDX's JSON form is written to PREFIX/share/axbridge/sbom.cdx.json.
"""

import compileall
import json
import py_compile
import shutil
import struct
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = "axbridge"
# Below site-packages. Half of the packages' weight: names of places and carriers for every number range of the world
# (a number's form is all that we ask for), test suites, and the sources of compiled modules.
UNUSED = (
    "phonenumbers/geodata",
    "phonenumbers/geocoder.py*",
    "phonenumbers/carrierdata",
    "phonenumbers/carrier.py*",
    "*/tests",
    "*/testing",
    "**/*.pyx",
    "**/*.pxd",
    "**/*.pxi",
    "**/*.c",
    "**/*.h",
)


def needed_names() -> set[str]:
    """The distributions that axbridge needs when it runs, itself included, by their normal names."""
    needed: set[str] = set()
    # A name and the extras that it was asked for with; the same name can come again with other extras.
    waiting: list[tuple[str, frozenset[str]]] = [(ROOT, frozenset())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        item = waiting.pop()
        if item in seen:
            continue
        seen.add(item)
        name, extras = item
        needed.add(name)
        for line in metadata.requires(name) or ():
            requirement = Requirement(line)
            contexts: list[dict[str, str]] = [{"extra": extra} for extra in ("", *extras)]
            if requirement.marker is None or any(requirement.marker.evaluate(context) for context in contexts):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return needed


def remove_others(needed: set[str]) -> list[str]:
    """Delete the files of every distribution that is not needed; the names of those removed."""
    removed = []
    for distribution in list(metadata.distributions()):
        name = canonicalize_name(distribution.metadata["Name"])
        if name in needed:
            continue
        removed.append(name)
        directories = set()
        for file in distribution.files or ():
            path = Path(str(distribution.locate_file(file)))
            path.unlink(missing_ok=True)
            directories.add(path.parent)
        for directory in sorted(directories, key=lambda each: len(each.parts), reverse=True):
            while directory.is_dir() and not any(directory.iterdir()):
                directory.rmdir()
                directory = directory.parent
    return sorted(removed)


def remove_unused(packages: Path) -> None:
    """Delete what no service loads. Raises FileNotFoundError for a pattern that fits nothing any more."""
    for pattern in UNUSED:
        found = list(packages.glob(pattern))
        if not found:
            raise FileNotFoundError(f"nothing fits {pattern}: is it still to be removed?")
        for path in found:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def strip_module(path: Path) -> None:
    """Cut off what follows an ELF file's last segment: section headers, symbols and debugging information.

    A process maps segments only. It is what `strip` does, which is no part of a slim base image.
    """
    image = bytearray(path.read_bytes())
    if image[:6] != b"\x7fELF\x02\x01":
        return
    (headers_offset,) = struct.unpack_from("<Q", image, 32)
    header_size, header_count = struct.unpack_from("<HH", image, 54)
    end = headers_offset + header_size * header_count
    for index in range(header_count):
        offset, _, _, file_size = struct.unpack_from("<QQQQ", image, headers_offset + index * header_size + 8)
        end = max(end, offset + file_size)
    # No section header table any more: its offset, and the size, the number and the name index of its entries.
    struct.pack_into("<Q", image, 40, 0)
    struct.pack_into("<HHH", image, 58, 0, 0, 0)
    path.write_bytes(image[:end])


def write_bill_of_materials(path: Path) -> int:
    """Write the bill of materials of what is installed; how many components it has, axbridge aside."""
    components = []
    root: dict[str, object] = {}
    for distribution in metadata.distributions():
        name, version = canonicalize_name(distribution.metadata["Name"]), distribution.version
        (license_text,) = distribution.metadata.get_all("License-Expression") or [None]
        component: dict[str, object] = {
            "type": "application" if name == ROOT else "library",
            "bom-ref": f"pkg:pypi/{name}@{version}",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
        }
        if license_text:
            component["licenses"] = [{"expression": license_text}]
        if name == ROOT:
            root = component
        else:
            components.append(component)
    components.sort(key=lambda each: str(each["purl"]))
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": root,
            "properties": [{"name": "python", "value": ".".join(map(str, sys.version_info[:2]))}],
        },
        "components": components,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return len(components)


def main() -> int:
    prefix = Path(sys.argv[1])
    # `packaging` itself may be among what goes: everything is worked out before the first file is deleted.
    needed = needed_names()
    missing = needed - {canonicalize_name(each.metadata["Name"]) for each in metadata.distributions()}
    if missing:
        print(f"needed and not installed: {', '.join(sorted(missing))}", file=sys.stderr)
        return 1
    removed = remove_others(needed)
    packages = Path(str(metadata.distribution(ROOT).locate_file("")))
    remove_unused(packages)
    for module in packages.rglob("*.so*"):
        strip_module(module)
    compiled = compileall.compile_dir(
        prefix / "lib",
        quiet=1,
        workers=1,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        stripdir=str(prefix),
        prependdir=str(prefix),
    )
    count = write_bill_of_materials(prefix / "share" / ROOT / "sbom.cdx.json")
    print(f"removed {', '.join(removed) or 'nothing'}; {count} packages beside axbridge")
    return 0 if compiled else 1


if __name__ == "__main__":
    sys.exit(main())
