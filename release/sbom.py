"""Components → sbom.json, a bill of materials as CycloneDX 1.6; only its time is not from the lock files."""

import hashlib
from importlib import metadata
from pathlib import Path
from uuid import UUID

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component as Part
from cyclonedx.model.component import ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from release.components import ROOT, Component, components

PRODUCT = "rts-agent-monitoring"


def purl_of(component: Component) -> PackageURL:
    group, _, name = component.name.rpartition("/")
    return PackageURL(component.ecosystem, group or None, name, component.version)


def to_cyclonedx(component: Component) -> Part:
    """Return a component as CycloneDX has it.

    The hashes are those of the files of this version: wheels of several systems, and the source.
    """
    purl = purl_of(component)
    hashes = [HashType(alg=HashAlgorithm(algorithm), content=digits) for algorithm, digits in component.hashes]
    files = ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(str(purl)), hashes=hashes)
    return Part(
        name=component.name, version=component.version, type=ComponentType.LIBRARY, purl=purl, bom_ref=str(purl),
        licenses=[LicenseFactory().make_from_string(component.licence)], external_references=[files],
    )  # fmt: skip


def bill(listed: list[Component]) -> str:
    """Return the bill of materials as JSON."""
    product = Part(
        name=PRODUCT, version=metadata.version(PRODUCT), type=ComponentType.APPLICATION, bom_ref=PRODUCT,
        licenses=[LicenseFactory().make_from_string("Apache-2.0")],
    )  # fmt: skip
    parts = {(one.ecosystem, one.name): to_cyclonedx(one) for one in listed}
    bom = Bom(components=parts.values(), serial_number=serial_number(listed))
    bom.metadata.component = product
    bom.register_dependency(product, parts.values())
    for one in listed:
        bom.register_dependency(parts[one.ecosystem, one.name], (parts[one.ecosystem, name] for name in one.needs))
    text: str = JsonV1Dot6(bom).output_as_string(indent=2)
    return text + "\n"


def serial_number(listed: list[Component]) -> UUID:
    """Return a serial number that belongs to these components: a UUID of version 4 by form, from their hash."""
    return UUID(bytes=hashlib.sha256(repr(listed).encode()).digest()[:16], version=4)


def main(path: Path = ROOT / "sbom.json") -> None:
    """Write the file."""
    listed = components()
    path.write_text(bill(listed))
    print(f"{path.name}: {len(listed)} components")


if __name__ == "__main__":
    main()
