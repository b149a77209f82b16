"""`python -m biogate.zones FD`: the process of one zone, started by the core only."""

from biogate.cli.startup import prepare

prepare()

from biogate.zones.zone_process import main  # noqa: E402

main()
