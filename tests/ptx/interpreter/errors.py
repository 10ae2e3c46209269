"""What can be wrong with a program, and where."""


class PtxError(Exception):
    """A program that is wrong or that the interpreter does not know, with the place in its text."""

    def at(self, place):
        """Adds the place, unless one nearer to the cause is named."""
        if not getattr(self, "place", None) and place:
            self.place = place
        return self

    def __str__(self):
        place = getattr(self, "place", None)
        return super().__str__() + (f"\n  at {place}" if place else "")


class UnsupportedError(PtxError):
    """An opcode, modifier, type or directive that the interpreter does not know."""


class MemoryFault(PtxError):
    """An address outside of every object, a misaligned one, or a read of shared memory that nobody wrote."""


class DivergenceError(PtxError):
    """Threads that a barrier or a warp-wide operation waits for and that never come."""
