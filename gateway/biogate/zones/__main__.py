"""`python -m biogate.zones FD ALLOWED`: the process of one zone, started by the core only.

FD is its end of the link, ALLOWED as JSON what it may touch besides.
"""

import json
import sys

from biogate.zones.confinement import Allowed, confine

confinement = confine(Allowed(**json.loads(sys.argv[2])))

from biogate.cli.startup import prepare  # noqa: E402  not before it is confined

prepare()

from biogate.zones.zone_process import main  # noqa: E402

main(int(sys.argv[1]), confinement)
