"""The software bill of materials: biogate and what it runs on, as CycloneDX 1.6 in JSON.

Of what is installed, only what biogate needs is listed, each with the version that is there.
Needs the extra `sbom`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import Any

from biogate.prove.errors import SbomError

ROOT = "biogate"
_LONGEST_NAME = 120


def sbom() -> str:
    """The bill as JSON. Raises SbomError without the extra `sbom`."""
    try:
        from cyclonedx.model.bom import Bom
        from cyclonedx.output.json import JsonV1Dot6
    except ImportError as error:
        raise SbomError(
            "the software bill of materials needs cyclonedx-bom: install biogate[sbom], or leave "
            "it out with --no-sbom"
        ) from error
    closure = dict(_closure())
    components = {name: _component(found) for name, (found, _) in closure.items()}
    bom = Bom()
    bom.metadata.component = components.pop(ROOT)
    bom.metadata.component.bom_ref.value = ROOT
    for component in components.values():
        bom.components.add(component)
    known = {**components, ROOT: bom.metadata.component}
    for name, (_, needed) in closure.items():
        bom.register_dependency(known[name], [known[each] for each in needed if each in known])
    return str(JsonV1Dot6(bom).output_as_string(indent=1)) + "\n"


def _closure() -> Iterator[tuple[str, tuple[metadata.Distribution, list[str]]]]:
    """Each package that is needed: its normal name, itself, and the names that it needs."""
    seen, todo = {ROOT}, [ROOT]
    while todo:
        name = todo.pop(0)
        found = metadata.distribution(name)
        needed = [each for each in _needs(found) if _is_installed(each)]
        yield name, (found, needed)
        todo += [each for each in needed if each not in seen]
        seen.update(needed)


def _needs(found: metadata.Distribution) -> Iterator[str]:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    for text in found.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _component(found: metadata.Distribution) -> Any:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL
    from packaging.utils import canonicalize_name

    name, version = canonicalize_name(found.metadata["Name"]), found.version
    component = Component(
        name=name,
        version=version,
        type=ComponentType.APPLICATION if name == ROOT else ComponentType.LIBRARY,
        purl=PackageURL("pypi", None, name, version),
        bom_ref=name,
        description=found.metadata["Summary"],
    )
    about: Any = found.metadata
    for each in _licenses(about):
        component.licenses.add(each)
    return component


def _licenses(about: Any) -> Iterable[Any]:
    """The licence expression, the licence's name, or the classifiers: the first that is there."""
    from cyclonedx.contrib.license.factories import LicenseFactory

    named = about.get("License-Expression") or about.get("License") or ""
    classified = [
        text.rpartition(" :: ")[2]
        for text in about.get_all("Classifier", [])
        if text.startswith("License :: ")
    ]
    is_name = 0 < len(named) <= _LONGEST_NAME and "\n" not in named
    factory = LicenseFactory()
    return [factory.make_from_string(text) for text in ([named] if is_name else classified)]
