"""PTX text to functions and instructions. Bodies are parsed when asked for: a unit may hold far more than is run."""

import re
from dataclasses import dataclass, field

from .errors import PtxError, UnsupportedError
from .numerics import width_of


@dataclass(frozen=True, eq=False)
class Register:
    """One object for each register of a function: compared as such."""

    name: str
    width: int


@dataclass(frozen=True)
class Special:
    """A register that the machine sets: %tid.x, %laneid."""

    name: str


@dataclass(frozen=True)
class Immediate:
    """An integer, or the bits of 0f... and 0d...; a decimal fraction is kept as a float."""

    value: object


@dataclass(frozen=True)
class Symbol:
    name: str
    offset: int = 0


@dataclass(frozen=True)
class Address:
    base: object
    offset: int = 0


@dataclass(frozen=True)
class Vector:
    items: tuple


@dataclass(frozen=True)
class Negated:
    operand: object


@dataclass(frozen=True)
class Pair:
    first: object
    second: object


@dataclass(frozen=True)
class Variable:
    name: str
    space: str
    alignment: int
    size: int
    element: int = 1
    initial: str = ""
    external: bool = False


@dataclass
class Instruction:
    opcode: str
    modifiers: tuple
    operands: tuple
    guard: object
    place: str
    run: object = None

    @property
    def type(self):
        return self.modifiers[-1]

    def has(self, modifier):
        return modifier in self.modifiers


@dataclass
class Body:
    code: list = field(default_factory=list)
    labels: dict = field(default_factory=dict)
    tables: dict = field(default_factory=dict)
    variables: list = field(default_factory=list)


_SPECIAL = re.compile(
    r"%(n?tid|n?ctaid|cluster_n?ctaid)\.[xyz]$|%(laneid|n?warpid|n?smid|gridid|lanemask_\w+|clock(_hi|64)?|"
    r"globaltimer(_lo|_hi)?|envreg\d+|\w+_smem_size|is_explicit_cluster|cluster_n?ctarank)$"
)
_VARIABLE = re.compile(
    r"(?:\.align\s+(\d+)\s*)?(?:\.(v[24])\s+)?\.(\w+)\s+([\w$%]+)\s*((?:\[\s*\d*\s*\]\s*)*)(?:=\s*(.*))?$", re.S
)


def _split(text):
    """At the commas that no bracket holds."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        if c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    tail = text[start:].strip()
    return parts + [tail] if tail else parts


def _number(text):
    if re.fullmatch(r"0[fF][0-9a-fA-F]{8}|0[dD][0-9a-fA-F]{16}", text):
        return int(text[2:], 16)
    if re.fullmatch(r"[+-]?(\d+\.\d*|\.\d+|\d+[eE])([eE]?[+-]?\d+)?", text):
        return float(text)
    if (match := re.fullmatch(r"([+-]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|\d+)U?", text)) is None:
        return None
    digits = match.group(2)
    octal = len(digits) > 1 and digits.isdigit() and digits[0] == "0"
    value = int(digits, 8 if octal else 0)
    return -value if match.group(1) == "-" else value


def parse_variable(text, space, external=False):
    """What follows the state space in a declaration."""
    text = re.sub(r"\.ptr\b(\s+\.(global|shared|const|local|param)\b)?(\s+\.align\s+\d+)?", "", text).strip()
    if (match := _VARIABLE.match(text)) is None:
        raise UnsupportedError(f"declaration .{space} {text}")
    alignment, vector, type_name, name, dimensions, initial = match.groups()
    element = max(width_of(type_name) // 8, 1)
    size = element * int((vector or "v1")[1:])
    natural = size
    for extent in re.findall(r"\[\s*(\d*)\s*\]", dimensions):
        size *= int(extent or 0)
    return Variable(name, space, int(alignment or natural), size, element, (initial or "").strip(), external)


class Function:
    """An .entry or .func; its body is parsed at the first use."""

    def __init__(self, module, name, is_entry, returns, parameters, span):
        self.module, self.name, self.is_entry = module, name, is_entry
        self.returns, self.parameters, self._span, self._body = returns, parameters, span, None

    @property
    def defined(self):
        return self._span is not None

    @property
    def code(self):
        """The body's text without line numbers of sources and the labels that debuggers want."""
        text = self.module.text[slice(*self._span)]
        return re.sub(r"^\s*(\.loc\b[^\n]*|\$L__tmp\w*:)?\s*\n", "", text, flags=re.M)

    @property
    def body(self):
        if self._body is None:
            self._body = _BodyParser(self.module, *self._span).parse()
        return self._body


class Module:
    """A PTX file: `functions` by name, `variables` of the whole file."""

    def __init__(self, text, path="<ptx>"):
        self.path = path
        # Comments go, their line ends stay, so that lines keep their numbers.
        self.text = re.sub(
            r'"[^"\n]*"|//[^\n]*|/\*.*?\*/',
            lambda m: m.group() if m.group()[0] == '"' else re.sub(r"[^\n]", " ", m.group()),
            text,
            flags=re.S,
        )
        self.functions, self.variables, self.files = {}, {}, {}
        for number, name in re.findall(r'^\s*\.file\s+(\d+)\s+"([^"]*)"', self.text, re.M):
            self.files[number] = name
        self._scan()

    @property
    def entries(self):
        return [name for name, function in self.functions.items() if function.is_entry and function.defined]

    def line(self, position):
        return self.text.count("\n", 0, position) + 1

    def _end_of_block(self, start):
        depth = 0
        for match in re.compile(r"[{}]").finditer(self.text, start):
            depth += 1 if match.group() == "{" else -1
            if depth == 0:
                return match.end()
        raise PtxError(f"{self.path}:{self.line(start)}: a brace is not closed")

    def _scan(self):
        text, at = self.text, 0
        while match := re.compile(r"\S").search(text, at):
            at = match.start()
            if match := re.compile(r"\.(version|target|address_size|file|loc)\b[^\n]*").match(text, at):
                at = match.end()
            elif match := re.compile(r"\.section\s+[^{]*").match(text, at):
                at = self._end_of_block(match.end())
            elif match := re.compile(r"((?:\.(?:visible|extern|weak|common)\s+)*)\.(entry|func)\b").match(text, at):
                at = self._function(match)
            elif match := re.compile(
                r"((?:\.(?:visible|extern|weak|common)\s+)*)\.(global|const|shared)\b([^;]*);"
            ).match(text, at):
                variable = parse_variable(match.group(3), match.group(2), "extern" in match.group(1))
                self.variables[variable.name] = variable
                at = match.end()
            elif match := re.compile(r"\.pragma[^;]*;").match(text, at):
                at = match.end()
            else:
                raise UnsupportedError(f"directive {text[at:at + 40]!r}").at(f"{self.path}:{self.line(at)}")

    def _function(self, match):
        text = self.text
        header = re.compile(r"\s*(?:\(([^()]*)\)\s*)?([\w$]+)\s*(?:\(([^()]*)\))?([^{;]*)([{;])").match(
            text, match.end()
        )
        returns, name, parameters, _, opening = header.groups()
        parse = lambda listed: [
            parse_variable(re.sub(r"^\.(param|reg)\b", "", p), "param") for p in _split(listed or "")
        ]
        span, at = None, header.end()
        if opening == "{":
            at = self._end_of_block(header.end() - 1)
            span = (header.end(), at - 1)
        if span or name not in self.functions:
            self.functions[name] = Function(
                self, name, match.group(2) == "entry", parse(returns), parse(parameters), span
            )
        return at


class _BodyParser:
    """One function's statements. Names declared in an inner { } get the scope's number appended."""

    def __init__(self, module, start, end):
        self.module, self.at, self.end = module, start, end
        self.body, self.scopes, self.scope_count, self.loc = Body(), [({}, {}, "")], 0, ""
        self.line, self.counted, self.branches = module.line(start), start, []
        # Operands by their text, and registers by name; the former change meaning with declarations and scopes.
        self.known, self.registers = {}, {}

    def parse(self):
        text = self.module.text
        blank, label = re.compile(r"\S"), re.compile(r"([$\w%]+)\s*:(?!:)")
        while match := blank.search(text, self.at, self.end):
            self.at = match.start()
            self.line += text.count("\n", self.counted, self.at)
            self.counted = self.at
            if text[self.at] == "{":
                self.scope_count += 1
                self.scopes.append(({}, {}, f"@{self.scope_count}"))
                self.known.clear()
                self.at += 1
            elif text[self.at] == "}":
                self.scopes.pop()
                self.known.clear()
                self.at += 1
            elif text[self.at] == ";":
                self.at += 1
            elif text[self.at : self.at + 5] in (".loc ", ".loc\t"):
                self._location(self._until("\n"))
            elif match := label.match(text, self.at, self.end):
                self.at = match.end()
                self._label(match.group(1))
            else:
                self._statement(self._until(";"))
        self._resolve_labels()
        return self.body

    def _until(self, mark):
        stop = self.module.text.find(mark, self.at, self.end)
        stop = self.end if stop < 0 else stop
        statement, self.at = self.module.text[self.at : stop], stop + 1
        # The line is that of the statement's start; the ends of lines within it are counted at the next one.
        return statement.strip()

    def _location(self, statement):
        number, line = statement.split()[1:3]
        self.loc = f"{self.module.files.get(number, number)}:{line}"

    def _label(self, name):
        if match := re.compile(r"\s*\.branchtargets([^;]*);").match(self.module.text, self.at):
            self.body.tables[name] = _split(match.group(1))
            self.at = match.end()
        elif match := re.compile(r"\s*\.callprototype[^;]*;").match(self.module.text, self.at):
            self.at = match.end()
        else:
            suffix = self.scopes[-1][2]
            self.known.clear()
            self.scopes[-1][0][name] = name + suffix
            self.body.labels[name + suffix] = len(self.body.code)

    def _place(self, statement):
        text = f"{self.module.path}:{self.line}: {' '.join(statement.split())}"
        return f"{text}  [{self.loc}]" if self.loc else text

    def _statement(self, statement):
        try:
            if statement.startswith("."):
                self._declaration(statement)
            else:
                self._instruction(statement)
        except PtxError as error:
            raise error.at(self._place(statement))

    def _declaration(self, statement):
        kind, rest = re.match(r"\.(\w+)\s*(.*)", statement, re.S).groups()
        names, prefixes, suffix = self.scopes[-1]
        self.known.clear()
        if kind == "reg":
            match = re.match(r"\.(\w+)\s+(.*)", rest, re.S)
            width = width_of(match.group(1))
            for name in _split(match.group(2)):
                if counted := re.fullmatch(r"(\S+?)\s*<\s*\d+\s*>", name):
                    prefixes[counted.group(1)] = width
                else:
                    names[name] = self._register(name + suffix, width)
        elif kind in ("local", "shared", "param"):
            variable = parse_variable(rest, kind)
            names[variable.name] = variable.name + suffix
            self.body.variables.append(Variable(variable.name + suffix, *list(vars(variable).values())[1:]))
        elif kind not in ("pragma", "maxnreg"):
            raise UnsupportedError(f"directive .{kind}")

    def _instruction(self, statement):
        guard = None
        if statement.startswith("@"):
            predicate, statement = statement[1:].split(None, 1)
            guard = self._operand(predicate.strip())
        opcode, rest = re.match(r"([\w.:]+)\s*(.*)", statement, re.S).groups()
        name, *modifiers = opcode.split(".")
        operands = tuple(self._operand(part) for part in _split(rest))
        self.body.code.append(Instruction(name, tuple(modifiers), operands, guard, self._place(statement)))
        if name == "bra":
            self.branches.append((self.body.code[-1], [scope[2] for scope in reversed(self.scopes)]))

    def _register(self, name, width):
        return self.registers.setdefault(name, Register(name, width))

    def _operand(self, text):
        if text not in self.known:
            self.known[text] = self._new_operand(text)
        return self.known[text]

    def _new_operand(self, text):
        if text[0] == "!":
            return Negated(self._operand(text[1:].strip()))
        if text[0] in "{(":
            return Vector(tuple(self._operand(part) for part in _split(text[1:-1])))
        if text[0] == "[":
            return self._address(text[1:-1].strip())
        if "|" in text:
            first, second = text.split("|")
            return Pair(self._operand(first.strip()), self._operand(second.strip()))
        if text == "WARP_SZ":
            return Immediate(32)
        if (number := _number(text)) is not None:
            return Immediate(number)
        if _SPECIAL.match(text):
            return Special(text)
        if match := re.fullmatch(r"([\w$%]+)\s*\+\s*(-?\w+)", text):
            return Symbol(self._name(match.group(1)).name, _number(match.group(2)))
        return self._name(text)

    def _address(self, text):
        if match := re.fullmatch(r"([\w$%]+)\s*([+-])\s*(-?\w+)", text):
            offset = _number(match.group(3))
            return Address(self._operand(match.group(1)), -offset if match.group(2) == "-" else offset)
        if "," in text:
            raise UnsupportedError(f"address [{text}]")
        return Address(self._operand(text))

    def _name(self, text):
        for names, prefixes, suffix in reversed(self.scopes):
            if text in names:
                found = names[text]
                return found if isinstance(found, Register) else Symbol(found)
            if (match := re.fullmatch(r"(\D*(?:\d+\D+)*?)(\d+)", text)) and match.group(1) in prefixes:
                return self._register(text + suffix, prefixes[match.group(1)])
        if not re.fullmatch(r"[\w$%]+", text):
            raise UnsupportedError(f"operand {text!r}")
        if text[0] == "%":
            raise UnsupportedError(f"register {text} is not declared")
        return Symbol(text)

    def _resolve_labels(self):
        """A branch may stand before its label: that of the innermost scope around the branch is meant."""
        for instruction, suffixes in self.branches:
            name = instruction.operands[0].name.split("@")[0]
            found = [name + suffix for suffix in suffixes if name + suffix in self.body.labels]
            if not found:
                raise PtxError(f"label {name} is not there").at(instruction.place)
            instruction.operands = (Symbol(found[0]),)
