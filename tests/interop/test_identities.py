"""Users by certificate, by token and by one-time password, and who manages them (Part 18)."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.crypto import uacrypto
from e2e.certificates import client_identity
from e2e.driving import started_programs
from interop.asking import S, clause, read, write
from interop.asyncua_wire import AsyncuaWire
from interop.conftest import CLIENT_URI, CLIENTS, SECURITIES
from interop.node_wire import NodeProcess, NodeWire
from interop.wire import ServiceFaultError, Wire
from joserfc import jwt
from joserfc.jwk import ECKey

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECURED = [each for each in SECURITIES if each.mode == "SignAndEncrypt"]
SIGNED = next(each for each in SECURITIES if each.mode == "Sign")
ISSUER, AUDIENCE = "https://login.example", "urn:test:identities:server"
KEY = ECKey.generate_key("P-256", {"kid": "one"})
USER_MANAGEMENT, CHANGE_PASSWORD, USERS = "ns=0;i=24290", "ns=0;i=24310", "ns=0;i=24301"
ADD_USER, MODIFY_USER, REMOVE_USER = "ns=0;i=24304", "ns=0;i=24306", "ns=0;i=24308"
OPERATOR_ROLE, OPERATOR_IDENTITIES = "ns=0;i=15680", "ns=0;i=16225"
ADD_OPERATOR, REMOVE_OPERATOR = "ns=0;i=15684", "ns=0;i=15686"
PIOTR, OLGA_PASSWORD = "wet blue kettle 9", "another dry kettle"

SITE = """
biogate: 1
enterprise: Test
site: Identities
area: Test
process_cell: Bench
opcua:
  application_uri: {audience}
  security_policies: [Basic256Sha256, Aes128_Sha256_RsaOaep, Aes256_Sha256_RsaPss]
  trust_any_client: true
  issued_tokens:
    issuer: {issuer}
    jwks_file: jwks.json
    roles: {{plant-operators: [Operator]}}
users:
  olga: {{roles: [Operator], certificate: "{thumbprint}"}}
  piotr: {{roles: [Observer]}}
nodes:
  rig:
    namespace: urn:test:rig
    objects:
      Rig:
        variables:
          Level: {{type: Double, value: 1, writable: true}}
"""


@dataclass
class Rig:
    """The running program, a user's certificate, and the secrets of its accounts."""

    url: str
    files: tuple[Path, Path]
    olga: tuple[Path, Path]
    stranger: tuple[Path, Path]
    one_time: str
    node: NodeProcess
    folder: Path
    level: str = ""
    admin: str = ""

    async def open(
        self, user: tuple[str, str], client: str = "asyncua", security: Any = SECURED[0]
    ) -> Any:
        if client == "node-opcua":
            return await NodeWire.connect(self.node, self.url, security, self.folder, user)
        return await AsyncuaWire.connect(self.url, security, self.files, CLIENT_URI, user)

    async def administrator(self) -> Any:
        """A session that may manage users; the one-time password is changed at the first one."""
        if not self.admin:
            wire = await self.open(("administrator", self.one_time))
            new = "an administrator of our own"
            assert await call(wire, CHANGE_PASSWORD, self.one_time, new) == S.Good
            await wire.close()
            self.admin = new
        return await self.open(("administrator", self.admin))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def rig(nodeset_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    folder = tmp_path_factory.mktemp("identities")
    data = folder / "data"
    olga, stranger = (client_identity(make(folder / name), name) for name in ("olga", "stranger"))
    trusted = data / "pki" / "trustedUser" / "certs"
    trusted.mkdir(parents=True)
    (trusted / "olga.der").write_bytes(olga[0].read_bytes())
    (data / "nodesets").symlink_to(nodeset_cache)
    thumbprint = hashlib.sha256(olga[0].read_bytes()).hexdigest()
    site = folder / "site.yaml"
    site.write_text(SITE.format(audience=AUDIENCE, issuer=ISSUER, thumbprint=thumbprint))
    (folder / "jwks.json").write_text(json.dumps({"keys": [KEY.as_dict(private=False)]}))
    node = await NodeProcess.start()
    async with started_programs() as start:
        program = await start(
            *("run", str(site), "--port", "0", "--quiet", "--data", str(data)),
            env={"BIOGATE_PASSWORD_PIOTR": PIOTR},
        )
        url = (await program.line(r"endpoint: (opc\.tcp://\S+)"))[1]
        one_time = (await program.line(r"password: +(\S+)  \(of administrator"))[1]
        files = client_identity(make(folder / "client"), CLIENT_URI)
        rig = Rig(url, files, olga, stranger, one_time, node, make(folder / "node"))
        wire = await rig.open(("piotr", PIOTR))
        index = await wire.client.get_namespace_index("urn:test:rig")
        rig.level = f"ns={index};s=Level"
        await wire.close()
        yield rig
    await node.close()


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


async def call(wire: Wire, method: str, *values: Any, owner: str = USER_MANAGEMENT) -> int:
    """The StatusCode of a call; texts, flags and masks are told apart by their Python type."""
    types = {bool: "Boolean", int: "UInt32", str: "String", dict: "ExtensionObject"}
    arguments = [[types[type(value)], value] for value in values]
    item = {"ObjectId": owner, "MethodId": method, "InputArguments": arguments}
    answer = await wire.ask("Call", MethodsToCall=[item])
    return int(answer["Results"][0]["StatusCode"])


async def status_of_login(rig: Rig, *arguments: Any) -> int:
    try:
        wire = await rig.open(*arguments)
    except ua.UaStatusCodeError as error:
        return int(error.code)
    await wire.close()
    return int(S.Good)


@pytest_asyncio.fixture(loop_scope="session")
async def piotr(rig: Rig) -> AsyncIterator[Any]:
    wire = await rig.open(("piotr", PIOTR))
    yield wire
    await wire.close()


@pytest_asyncio.fixture(loop_scope="session")
async def admin(rig: Rig) -> AsyncIterator[Any]:
    wire = await rig.administrator()
    yield wire
    await wire.close()


# -- a one-time password ------------------------------------------------------------------------


@clause("Part 18, 5.2.8")
async def test_a_one_time_password_is_good_for_changing_it_and_nothing_else(rig):
    assert not rig.admin, "this check comes before those that log in as the administrator"
    wire = await rig.open(("administrator", rig.one_time))
    assert (await read(wire, rig.level))["StatusCode"] == S.BadNodeIdUnknown
    assert (await read(wire, USERS))["StatusCode"] == S.BadNodeIdUnknown
    assert await call(wire, ADD_USER, "eve", PIOTR, 0, "") in (
        S.BadUserAccessDenied,
        S.BadMethodInvalid,
    )
    assert (await read(wire, "ns=0;i=24302"))["StatusCode"] == S.Good
    assert await call(wire, CHANGE_PASSWORD, "wrong", PIOTR) == S.BadIdentityTokenInvalid
    assert await call(wire, CHANGE_PASSWORD, rig.one_time, "short") == S.BadOutOfRange
    await wire.close()
    signed = await rig.open(("administrator", rig.one_time), "asyncua", SIGNED)
    status = await call(signed, CHANGE_PASSWORD, rig.one_time, PIOTR)
    assert status == S.BadSecurityModeInsufficient
    await signed.close()
    admin = await rig.administrator()
    assert (await read(admin, USERS))["StatusCode"] == S.Good
    await admin.close()
    assert await status_of_login(rig, ("administrator", rig.one_time)) == S.BadUserAccessDenied


# -- certificates -------------------------------------------------------------------------------


@clause("Part 4, 7.40.5")
@pytest.mark.parametrize("security", SECURED, ids=lambda s: s.name)
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_user_logs_in_with_a_certificate(rig, client, security):
    wire = await rig.open(("piotr", PIOTR), client, security)
    assert await write(wire, rig.level, ["Double", 2.0]) == S.BadUserAccessDenied
    assert await wire.show_certificate(*rig.olga) == S.Good
    assert await write(wire, rig.level, ["Double", 2.0]) == S.Good
    await wire.close()


@clause("Part 4, 5.7.3.3")
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_certificate_that_no_user_has_is_refused(rig, client):
    wire = await rig.open(("piotr", PIOTR), client)
    status = await wire.show_certificate(*rig.stranger)
    # node-opcua makes Bad_UserAccessDenied of every refusal.
    assert status in (S.BadIdentityTokenRejected, S.BadUserAccessDenied)
    assert await write(wire, rig.level, ["Double", 2.0]) == S.BadUserAccessDenied
    await wire.close()


# -- issued tokens ------------------------------------------------------------------------------


async def show_token(wire: AsyncuaWire, **claims: Any) -> int:
    """Activate the session with a JWT: asyncua's own parts, put together by hand."""
    client, now = wire.client, int(time.time())
    given = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ivo",
        "roles": ["plant-operators"],
        "iat": now,
        "exp": now + 300,
        **claims,
    }
    token = jwt.encode({"alg": "ES256", "kid": "one"}, given, KEY, algorithms=["ES256"]).encode()
    policy = client.server_policy(ua.UserTokenType.IssuedToken)
    nonce = client._server_nonce
    plain = struct.pack("<I", len(token) + len(nonce)) + token + nonce
    certificate = uacrypto.x509_from_der(client.security_policy.peer_certificate)
    key = certificate.public_key()
    size = key.key_size // 8 - 42
    data = b"".join(
        uacrypto.encrypt_rsa_oaep(key, plain[i : i + size]) for i in range(0, len(plain), size)
    )
    params = ua.ActivateSessionParameters()
    signed = client.security_policy.peer_certificate + nonce
    params.ClientSignature.Algorithm = client.security_policy.AsymmetricSignatureURI
    params.ClientSignature.Signature = client.security_policy.asymmetric_cryptography.signature(
        signed
    )
    params.UserIdentityToken = ua.IssuedIdentityToken(
        PolicyId=policy.PolicyId,
        TokenData=data,
        EncryptionAlgorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep",
    )
    try:
        result = await client.uaclient.activate_session(params)
    except ua.UaStatusCodeError as error:
        return int(error.code)
    client._server_nonce = result.ServerNonce
    return 0


@clause("Part 6, 6.5.2")
async def test_a_user_logs_in_with_a_token_of_the_issuer(rig, piotr):
    policy = piotr.client.server_policy(ua.UserTokenType.IssuedToken)
    assert policy.IssuedTokenType == "http://opcfoundation.org/UA/UserToken#JWT"
    assert json.loads(policy.IssuerEndpointUrl)["ua:resourceId"] == AUDIENCE
    assert await show_token(piotr) == S.Good
    assert await write(piotr, rig.level, ["Double", 3.0]) == S.Good


@clause("Part 6, 6.5.2")
@pytest.mark.parametrize(
    "claims",
    [{"aud": "urn:else"}, {"iss": "https://else"}, {"exp": 1}, {"roles": []}, {"sub": "piotr"}],
    ids=lambda claims: next(iter(claims)),
)
async def test_a_token_that_is_not_for_this_server_is_refused(rig, piotr, claims):
    assert await show_token(piotr, **claims) == S.BadUserAccessDenied
    assert await write(piotr, rig.level, ["Double", 3.0]) == S.BadUserAccessDenied


# -- user management ----------------------------------------------------------------------------


@clause("Part 18, 5.2.5")
async def test_an_administrator_adds_changes_and_removes_a_user(rig, admin):
    assert await call(admin, ADD_USER, "eva", "kettles of her own", 0, "night shift") == S.Good
    users = {u["UserName"]: u for u in (await read(admin, USERS))["Value"][1]}
    assert users["eva"]["Description"] == "night shift"
    assert {"administrator", "eva", "olga", "piotr"} <= set(users)
    wire = await rig.open(("eva", "kettles of her own"))
    disable = ("eva", False, "", True, 2, False, "")
    assert await call(admin, MODIFY_USER, *disable) == S.Good
    with pytest.raises((ServiceFaultError, ua.UaStatusCodeError, ConnectionError)):
        await read(wire, rig.level)
    assert await status_of_login(rig, ("eva", "kettles of her own")) == S.BadUserAccessDenied
    assert await call(admin, REMOVE_USER, "eva") == S.Good
    assert await call(admin, ADD_USER, "eva", PIOTR, 0, "") == S.BadAlreadyExists


@clause("Part 18, 5.2.5")
async def test_nobody_else_manages_users(rig, piotr, admin):
    """Not by the NodeIds of the type's Methods either."""
    for method in (ADD_USER, "ns=0;i=24269"):
        status = await call(piotr, method, "mallory", PIOTR, 0, "")
        assert status in (S.BadUserAccessDenied, S.BadMethodInvalid), method
    assert (await read(piotr, USERS))["StatusCode"] in (S.BadUserAccessDenied, S.BadNodeIdUnknown)
    users = (await read(admin, USERS))["Value"][1]
    assert "mallory" not in {user["UserName"] for user in users}


@clause("Part 18, 5.2.8")
async def test_a_user_changes_the_own_password_and_the_other_sessions_end(rig, admin):
    await call(admin, ADD_USER, "ola", OLGA_PASSWORD, 0, "")
    one, other = [await rig.open(("ola", OLGA_PASSWORD)) for _ in range(2)]
    assert await call(one, CHANGE_PASSWORD, OLGA_PASSWORD, "a third dry kettle") == S.Good
    assert (await read(one, rig.level))["StatusCode"] == S.Good
    with pytest.raises((ServiceFaultError, ua.UaStatusCodeError, ConnectionError)):
        await read(other, rig.level)
    assert await status_of_login(rig, ("ola", OLGA_PASSWORD)) == S.BadUserAccessDenied
    assert await status_of_login(rig, ("ola", "a third dry kettle")) == S.Good
    await one.close()


# -- roles --------------------------------------------------------------------------------------


def rule(user: str) -> dict[str, Any]:
    return {"$": "IdentityMappingRuleType", "CriteriaType": 1, "Criteria": user}


@clause("Part 18, 4.4.5")
async def test_a_role_is_given_and_taken_on_an_open_session(rig, admin):
    await call(admin, ADD_USER, "ian", OLGA_PASSWORD, 0, "")
    wire = await rig.open(("ian", OLGA_PASSWORD))
    assert await write(wire, rig.level, ["Double", 4.0]) == S.BadUserAccessDenied
    assert await call(admin, ADD_OPERATOR, rule("ian"), owner=OPERATOR_ROLE) == S.Good
    assert await write(wire, rig.level, ["Double", 4.0]) == S.Good
    rules = (await read(admin, OPERATOR_IDENTITIES))["Value"][1]
    assert {(each["CriteriaType"], each["Criteria"]) for each in rules} >= {
        (1, "ian"),
        (3, "plant-operators"),
    }
    assert await call(admin, REMOVE_OPERATOR, rule("ian"), owner=OPERATOR_ROLE) == S.Good
    assert await write(wire, rig.level, ["Double", 4.0]) == S.BadUserAccessDenied
    await wire.close()


@clause("Part 18, 4.2")
async def test_the_role_set_has_the_well_known_roles_and_no_method_that_does_nothing(rig, admin):
    answer = await admin.ask(
        "Browse",
        View={},
        RequestedMaxReferencesPerNode=0,
        NodesToBrowse=[
            {
                "NodeId": "ns=0;i=15606",
                "BrowseDirection": 0,
                "ReferenceTypeId": "ns=0;i=33",
                "IncludeSubtypes": True,
                "NodeClassMask": 0,
                "ResultMask": 63,
            }
        ],
    )
    names = {
        re.sub(r"^0:", "", reference["BrowseName"])
        for reference in answer["Results"][0]["References"]
    }
    assert names == {
        "Anonymous",
        "AuthenticatedUser",
        "TrustedApplication",
        "Observer",
        "Operator",
        "Engineer",
        "Supervisor",
        "ConfigureAdmin",
        "SecurityAdmin",
    }


@clause("Part 3, 5.2.9")
async def test_a_node_says_what_each_role_may_do_with_it(rig, admin, piotr):
    permissions = (await read(admin, rig.level, 24))["Value"][1]
    masks = {entry["RoleId"]: entry["Permissions"] for entry in permissions}
    assert masks["ns=0;i=15680"] & 0x40, "operators write"
    assert not masks["ns=0;i=15668"] & 0x40, "observers do not"
    own = (await read(piotr, rig.level, 25))["Value"][1]
    assert {entry["RoleId"] for entry in own} == {"ns=0;i=15656", "ns=0;i=15668"}
    assert (await read(piotr, rig.level, 24))["StatusCode"] == S.BadAttributeIdInvalid
