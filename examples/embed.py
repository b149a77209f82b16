"""biogate inside a program of your own: read, write, compute, follow.

    python examples/embed.py SITE.yaml [ADDRESSES]

Every device of the site must be reachable. ADDRESSES are DEVICE=ADDRESS pairs that take the place
of the site file's, for example those that `biogate sim site SITE.yaml` prints.
"""

import asyncio
import sys

from biogate import Gateway, WriteRefusedError


def specific_feed_ml_per_h_kg(feed_rate_ml_per_h: float, vessel_weight_kg: float) -> float:
    """Feed rate per kilogram of broth."""
    return feed_rate_ml_per_h / vessel_weight_kg


async def main(site_file: str, addresses: dict[str, str]) -> None:
    """Run for three updates of the computed tag."""
    gateway = Gateway.from_file(site_file, port=0, addresses=addresses)
    gateway.add_computed_tag(
        "SpecificFeed", specific_feed_ml_per_h_kg, ["RC101.feed_rate", "RC101.vessel_weight"]
    )
    async with gateway:
        print("OPC UA clients connect to", gateway.endpoint_url)
        updates = gateway.updates(["SpecificFeed"])
        await gateway.wait_for_first_values(["RC101.feed_setpoint"])
        try:
            await gateway.write("RC101.feed_setpoint", 12.5)
        except WriteRefusedError as error:
            print(error)
        print("set-point now", gateway.read("RC101.feed_setpoint").value, "ml/h")
        for _ in range(3):
            for update in await anext(updates):
                print(update.tag, update.value.value)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    site_file, *pairs = sys.argv[1:]
    asyncio.run(main(site_file, dict(pair.split("=", 1) for pair in pairs)))
