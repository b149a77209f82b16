"""A warm start gives the same model as XML does, and never trusts a damaged file."""

from __future__ import annotations

import logging
import marshal
import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from asyncua import ua

from biogate_nodesets import Model, Node, NodesetSourceError, load_model
from biogate_nodesets import cache as cache_module
from biogate_nodesets.compiled import flatten, restore
from biogate_nodesets.model import make_node_id

AMB_URIS = [
    "http://opcfoundation.org/UA/",
    "urn:test:biogate",
    "http://opcfoundation.org/UA/AMB/",
]


def compiled_file(folder: Path) -> Path:
    (file,) = (folder / "compiled").iterdir()
    return file


def load(folder: Path, xml: Path | None) -> Model:
    return load_model(["AMB"], folder=xml, cache=folder, application_uri="urn:test:biogate")


@pytest.fixture(scope="module")
def amb_cache(tmp_path_factory: pytest.TempPathFactory, nodeset_cache: Path) -> Path:
    """A cache folder that holds the compiled AMB and nothing else."""
    folder = tmp_path_factory.mktemp("amb")
    load(folder, nodeset_cache)
    return folder


def test_a_warm_start_gives_every_attribute_that_a_cold_one_does(
    cold_model: Model, fresh_model: Callable[[], Model]
) -> None:
    fresh_model()  # makes the cache
    warm = fresh_model()
    assert warm.namespaces[:-1] == cold_model.namespaces
    assert list(warm.nodes) == list(cold_model.nodes)
    for node_id, node in cold_model.nodes.items():
        assert warm.nodes[node_id] == node


def test_a_warm_start_needs_no_xml(
    tmp_path: Path, nodeset_cache: Path, amb_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(amb_cache, tmp_path, dirs_exist_ok=True)
    cold = load(tmp_path, nodeset_cache)
    monkeypatch.setenv("PATH", "")
    warm = load(tmp_path, None)
    assert warm.namespaces == cold.namespaces == AMB_URIS
    assert warm.nodes == cold.nodes


def test_an_empty_cache_without_a_source_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NodesetSourceError, match="Install Node"):
        load(tmp_path, None)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[:-1],
        lambda content: content[:-1] + bytes((content[-1] ^ 1,)),
        lambda content: b"",
        lambda content: b"another format\n" + content,
    ],
    ids=["truncated", "one bit", "empty", "other format"],
)
def test_a_damaged_file_is_compiled_anew_with_a_warning(
    spoil: Callable[[bytes], bytes],
    amb_cache: Path,
    tmp_path: Path,
    nodeset_cache: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shutil.copytree(amb_cache, tmp_path, dirs_exist_ok=True)
    good = load(tmp_path, nodeset_cache)
    file = compiled_file(tmp_path)
    content = file.read_bytes()
    file.write_bytes(spoil(content))
    with caplog.at_level(logging.WARNING):
        assert load(tmp_path, nodeset_cache).nodes == good.nodes
    assert [record.message for record in caplog.records] == [
        f"compiled nodesets {file} are damaged; compiling anew"
    ]
    assert file.read_bytes() == content


def test_other_sources_of_this_package_make_another_cache_file(
    tmp_path: Path, nodeset_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(tmp_path, nodeset_cache)
    before = compiled_file(tmp_path)
    package = tmp_path / "package"
    package.mkdir()
    (package / "changed.py").write_text("# another loader", encoding="utf-8")
    monkeypatch.setattr(cache_module.resources, "files", lambda _: package)
    load(tmp_path, nodeset_cache)
    assert len(list(before.parent.iterdir())) == 2


def test_cache_files_of_old_versions_are_removed(tmp_path: Path, nodeset_cache: Path) -> None:
    folder = tmp_path / "compiled"
    folder.mkdir()
    for number in range(9):
        (folder / f"{number}.model").write_bytes(b"old")
    load(tmp_path, nodeset_cache)
    assert len(list(folder.iterdir())) == 4


def test_a_cache_that_cannot_be_written_costs_only_a_warning(
    tmp_path: Path, nodeset_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "compiled").write_text("a file where the folder should be", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert len(load(tmp_path, nodeset_cache).nodes) > 5000
    assert "cannot keep the compiled nodesets" in caplog.text


def test_models_from_one_cache_are_independent(fresh_model: Callable[[], Model]) -> None:
    first, second = fresh_model(), fresh_model()
    objects = make_node_id(85)
    before = len(second.nodes[objects].references)
    first.nodes[objects].references.clear()
    assert len(second.nodes[objects].references) == before


def test_a_compiled_model_is_plain_data(cold_model: Model) -> None:
    """Only what marshal can write (numbers, texts, bytes, tuples): loading it runs no code."""
    assert marshal.loads(marshal.dumps(flatten(cold_model))) == flatten(cold_model)


@pytest.mark.parametrize("identifier", [7, "a;b=c", UUID(int=5), b"\x00\xff"])
def test_every_kind_of_node_id_survives(identifier: object) -> None:
    node_id = ua.NodeId(identifier, 3)
    node = Node(
        node_id,
        ua.NodeClass.Object,
        ua.QualifiedName("x", 3),
        ua.LocalizedText("x", "de"),
        minimum_sampling_interval=0.5,
        array_dimensions=(2, 0),
        role_permissions=(),
    )
    model = Model(["a", "b", "c", "d"], {node_id: node})
    assert restore(marshal.loads(marshal.dumps(flatten(model)))) == model
