"""`biogate security explain`: why something is allowed or not."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

_COULD_NOT_TELL = 2


class ActionWord(StrEnum):
    """What may be asked about, in the words of the site file."""

    BROWSE = "browse"
    READ = "read"
    SUBSCRIBE = "subscribe"
    WRITE = "write"
    CALL = "call"
    HISTORY = "history"
    EVENTS = "events"


class Mode(StrEnum):
    """Message security modes."""

    NONE = "None"
    SIGN = "Sign"
    SIGN_AND_ENCRYPT = "SignAndEncrypt"


def explain(
    site: Annotated[Path, typer.Argument(metavar="SITE.yaml", help="The site file.")],
    user: Annotated[
        str, typer.Argument(metavar="USER", help="An account of the site, or anonymous.")
    ],
    node: Annotated[
        str,
        typer.Argument(
            metavar="NODE",
            help="A part (BR101/pH/SensorValue), a tag (AE101.ph) or a NodeId (ns=9;s=...).",
        ),
    ],
    action: Annotated[ActionWord, typer.Argument(metavar="ACTION", help="What they want to do.")],
    zone: Annotated[
        str | None,
        typer.Option("--zone", help="The zone they come from; needed where there are several."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="A time, such as 2026-03-02T22:30; UTC. Now."),
    ] = None,
    mode: Annotated[
        Mode, typer.Option("--mode", help="Security mode of their channel.")
    ] = Mode.SIGN_AND_ENCRYPT,
    auth: Annotated[
        Literal["Anonymous", "UserName", "Certificate", "IssuedToken"] | None,
        typer.Option("--auth", help="How they log in. UserName, or Anonymous for anonymous."),
    ] = None,
) -> None:
    """Say whether a user may do something with a node, and which rule decides.

    Read from the site file; no gateway needs to run. Roles that were given out at run time are
    not known here.

    Exit code 0: they may; 1: they may not; 2: could not tell.
    """
    from biogate.explain import CannotTellError, Question, answer, as_text
    from biogate.site import SiteError

    try:
        question = Question(user, node, action.value, zone, at, mode.value, auth)
        found = answer(site, question)
    except SiteError as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(_COULD_NOT_TELL) from error
    except CannotTellError as error:
        typer.echo(f"biogate: {error}", err=True)
        raise typer.Exit(_COULD_NOT_TELL) from error
    for line in as_text(found):
        typer.echo(line)
    raise typer.Exit(0 if found.allowed else 1)
