"""A Variant that is already encoded."""


class EncodedVariant(bytes):
    """The bytes of one Variant, encoding byte included (Part 6, 5.2.2.16).

    The writer copies them wherever it takes a Variant. `ua.DataValue` wraps whatever it is given
    in a Variant of its own; the writer looks through that, so `ua.DataValue(EncodedVariant(b))`
    puts `b` on the wire.
    """

    __slots__ = ()
