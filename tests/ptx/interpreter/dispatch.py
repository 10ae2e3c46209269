"""From an opcode's name to what it does."""

from .errors import PtxError, UnsupportedError

_DECODERS = {}


def opcode(*names):
    """Registers a function that takes an Instruction and gives its `run(block, group, mask)`."""

    def register(decoder):
        for name in names:
            _DECODERS[name] = decoder
        return decoder

    return register


def decode(instruction):
    """Sets `instruction.run`; whatever is not known of the instruction is an error here."""
    try:
        if instruction.opcode not in _DECODERS:
            raise UnsupportedError(f"opcode {'.'.join((instruction.opcode,) + instruction.modifiers)}")
        instruction.run = _DECODERS[instruction.opcode](instruction)
    except (IndexError, AttributeError, ValueError) as error:
        raise UnsupportedError(f"form of {instruction.opcode} ({error})").at(instruction.place) from error
    except PtxError as error:
        raise error.at(instruction.place)
    return instruction.run


def allow(instruction, *known):
    """Fails on a modifier that is not listed."""
    for modifier in instruction.modifiers:
        if modifier not in known:
            raise UnsupportedError(f"modifier .{modifier} of {instruction.opcode}")
