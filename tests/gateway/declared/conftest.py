"""A gateway whose site is nothing but declared nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from asyncua import Client

from biogate import Gateway
from biogate.site import Site, parse_site

HEAD = """\
biogate: 1
enterprise: Example Bio
site: Pilot Plant
area: Upstream
process_cell: Cell 1
opcua: {port: 0, security_policies: [None], anonymous: operate}
nodes:
  skid:
    namespace: urn:acme:skid
    enumerations:
      Mode: [Idle, Running]
    objects:
      Skid:
"""

Start = Callable[..., AbstractAsyncContextManager[Gateway]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the module's gateways."""
    return tmp_path_factory.mktemp("declared")


def parse(text: str, folder: Path) -> Site:
    """A site with an object `Skid` that holds what `text` puts into it."""
    body = "".join(f"        {line}\n" for line in text.strip().splitlines())
    return parse_site((HEAD + body).encode(), "site.yaml", folder=folder)


@pytest.fixture
def site_of(tmp_path: Path) -> Callable[[str], Site]:
    """`site_of(text)` is the site that `serving(text)` serves."""
    return partial(parse, folder=tmp_path)


@pytest.fixture(scope="module")
def serving(data: Path, nodeset_cache: Path) -> Iterator[Start]:
    """`serving(text)` runs a gateway for an object `Skid` with what `text` puts into it.

    `serving(text, folder)` has a data folder of its own, so that it runs beside the module's.
    Methods find the functions of `acme_calculations`, beside this file.
    """

    @asynccontextmanager
    async def start(text: str, folder: Path = data) -> AsyncIterator[Gateway]:
        async with Gateway(parse(text, folder), data=folder, nodesets=nodeset_cache) as gateway:
            yield gateway

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent)
        yield start


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(serving: Start, request: pytest.FixtureRequest) -> AsyncIterator[Gateway]:
    """A gateway for what the module's `SKID` declares."""
    async with serving(request.module.SKID) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(gateway: Gateway) -> AsyncIterator[Client]:
    """asyncua's client, connected without an account."""
    async with Client(gateway.endpoint_url) as connected:
        yield connected
