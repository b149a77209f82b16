"""The transport against an independent client: asyncua's."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import Client
from asyncua.crypto import security_policies

from biogate.opcua.stack import ua
from biogate.opcua.transport.listener import Listener

POLICIES = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}


async def secured_client(
    url: str, policy: str, mode: Any, client: Any, server: Any, folder: Any
) -> Client:
    result = Client(url, timeout=5)
    certificate, key = client.write(folder)
    server_certificate, _ = server.write(folder)
    await result.set_security(
        POLICIES[policy], certificate, key, server_certificate=server_certificate, mode=mode
    )
    return result


async def test_a_client_without_security_gets_endpoints_and_servers(listen, recorder):
    await listen()
    client = Client(recorder.url, timeout=5)
    endpoints = await client.connect_and_get_server_endpoints()
    assert {e.SecurityPolicyUri.split("#")[1] for e in endpoints} == {"None", *POLICIES}
    servers = await client.connect_and_find_servers()
    assert [s.ApplicationUri for s in servers] == ["urn:test:server"]
    assert recorder.channels[0].client_certificate is None


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "mode", [ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt]
)
@pytest.mark.parametrize("wide", [False, True], ids=["2048", "3072"])
async def test_a_client_opens_a_secured_channel_and_renews_it(
    listen, recorder, client_application, wide_application, server_application, tmp_path,
    policy, mode, wide,
):  # fmt: skip
    application = wide_application if wide else client_application
    listener = await listen()
    client = await secured_client(
        recorder.url, policy, mode, application, server_application, tmp_path
    )
    await client.connect_socket()
    try:
        await client.send_hello()
        await client.open_secure_channel()
        assert len(await client.get_endpoints()) == 7
        await client.open_secure_channel(renew=True)
        assert len(await client.get_endpoints()) == 7
        assert len(await client.find_servers()) == 1
        await client.close_secure_channel()
    finally:
        client.disconnect_socket()
    channel = recorder.channels[-1]
    assert channel.security_policy_uri.endswith(policy)
    assert channel.security_mode == mode
    assert channel.client_certificate == application.der
    assert (listener.counters.channels, listener.counters.renewals) == (1, 1)


async def test_a_client_stays_connected_over_many_token_lifetimes(
    make_config, recorder, clock, client_application, server_application, tmp_path
):
    listener = Listener("127.0.0.1", 0, make_config(), recorder, clock=clock)
    await listener.start()
    url = f"opc.tcp://127.0.0.1:{listener.port}"
    client = await secured_client(
        url,
        "Basic256Sha256",
        ua.MessageSecurityMode.SignAndEncrypt,
        client_application,
        server_application,
        tmp_path,
    )
    client.secure_channel_timeout = 60_000
    await client.connect_socket()
    try:
        await client.send_hello()
        await client.open_secure_channel()
        for _ in range(5):
            clock.now_s += 45  # three quarters of the lifetime, when clients renew
            await client.open_secure_channel(renew=True)
            await client.find_servers()
            clock.now_s += 15  # the lifetime is over, and the server goes to the new token
            await client.find_servers()
        await client.close_secure_channel()
    finally:
        client.disconnect_socket()
        await listener.stop()
    assert listener.counters.renewals == 5
    assert len(recorder.requests) == 10
