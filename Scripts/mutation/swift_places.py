"""What can be changed in Swift.

An operator is exchanged for one of its own precedence that does the one or the other, so that nothing around it has to be
understood. The compiler says where that is not possible.
"""
from .places import Place, swaps
from .tokens import OPENING

# What an operator becomes, with the precedence of both.
OPERATORS = {
    "<": ("<=", "Comparison"), "<=": ("<", "Comparison"), ">": (">=", "Comparison"), ">=": (">", "Comparison"),
    "==": ("!=", "Comparison"), "!=": ("==", "Comparison"), "===": ("!==", "Comparison"),
    "!==": ("===", "Comparison"), "&&": ("||", "LogicalConjunction"), "||": ("&&", "LogicalDisjunction"),
    "+": ("-", "Addition"), "-": ("+", "Addition"), "*": ("+", "Multiplication"), "/": ("*", "Multiplication"),
    "%": ("*", "Multiplication"), "??": ("the default", "NilCoalescing"), "..<": ("one fewer", "RangeFormation"),
}
KINDS = {"Comparison": "comparison", "LogicalConjunction": "and, or", "LogicalDisjunction": "and, or",
         "Addition": "arithmetic", "Multiplication": "arithmetic", "NilCoalescing": "default", "RangeFormation": "range"}
# What no statement that can be left out begins with.
KEYWORDS = set("""
    actor as associatedtype break case catch class continue convenience default defer deinit do else enum extension
    fallthrough fileprivate final for func guard if import in indirect infix init internal is lazy let mutating
    nonisolated nonmutating open operator override package postfix precedencegroup precondition preconditionFailure
    prefix private protocol public repeat required return static struct subscript super switch throw throws typealias
    unowned var weak where while yield assert fatalError
""".split())
# Of these, the order of arguments does not matter or is nothing that can be seen.
UNORDERED = {"min", "max", "hypot", "precondition", "assert", "fatalError", "preconditionFailure", "swap", "zip",
             "require"}


def name(text, number):
    """An operator for one change: what it was, and the number in signs that operators may be made of."""
    return text + chr(0x2200 + number // 64) + chr(0x2200 + number % 64)


def ends_operand(token):
    return token.kind in ("word", "number", "text") or token.text in (")", "]", "}", "!", "?")


def operators(source):
    tokens = source.tokens
    for i in range(1, len(tokens) - 1):
        token, before, after = tokens[i], tokens[i - 1], tokens[i + 1]
        if token.kind != "symbol" or token.text not in OPERATORS or not ends_operand(before):
            continue
        if before.text in ("func", "case", "return", "in", "operator") or after.text in (")", ",", "]"):
            continue
        if token.text == "..<":
            fits = not source.text[token.start - 1].isspace() and not source.text[token.end].isspace()
        else:
            fits = source.stands_free(i)
        if not fits:
            continue
        new, precedence = OPERATORS[token.text]
        shown = {"..<": "..<(one fewer)", "??": "?? (always:)"}.get(token.text, new)
        yield Place(KINDS[precedence], [(token.start, token.end, token.text + "{n}")],
                    [(token.start, token.end, shown)], (token.text, new, precedence))


def constants(source):
    tokens = source.tokens
    for i, token in enumerate(tokens):
        before = tokens[i - 1] if i else None
        if token.kind == "number" and not (before and before.text in (".", "case")):
            yield Place("constant", [(token.start, token.end, f"gimbalConstant({{n}}, {token.text})")],
                        [(token.start, token.end, f"({token.text} + 1)")])
        elif token.text in ("true", "false"):
            other = "false" if token.text == "true" else "true"
            yield Place("constant", [(token.start, token.end, f"(gimbalMutant({{n}}) ? {other} : {token.text})")],
                        [(token.start, token.end, other)])


def conditions(source):
    """Those between the commas of if, guard and while."""
    tokens = source.tokens
    for i, token in enumerate(tokens):
        if token.text not in ("if", "guard", "while") or token.kind != "word":
            continue
        first = j = i + 1
        while j < len(tokens) and tokens[j].within == token.within:
            current = tokens[j]
            if current.text in (",", "{", "else"):
                if first < j and tokens[first].text not in ("let", "var", "case", "#available", "#unavailable"):
                    span = tokens[first].start, tokens[j - 1].end
                    text = source.text[span[0]:span[1]]
                    yield Place("condition", [(span[0], span[0], "gimbalNegated({n}, "), (span[1], span[1], ")")],
                                [(*span, f"!({text})")])
                first = j + 1
                if current.text != ",":
                    break
            if current.text in ("(", "[") and current.partner > j:
                j = current.partner
            j += 1


def statement_end(source, i):
    """The number of the last token of the statement that begins with token i; None where that is not clear."""
    tokens, j = source.tokens, i
    while True:
        if tokens[j].text in OPENING:
            j = tokens[j].partner
            if j < 0:
                return None
        if j + 1 >= len(tokens):
            return None
        after = tokens[j + 1]
        if after.text in ("}", ";"):
            return j
        if source.line(tokens[j].end - 1) < source.line(after.start):
            goes_on = (tokens[j].kind == "symbol" and tokens[j].text not in ("!", "?") or tokens[j].text == ","
                       or after.kind == "symbol" and (after.text[0] == "." or source.stands_free(j + 1)))
            if not goes_on:
                return j
        j += 1


def is_of_guard(tokens, opening):
    """Whether a block is what must be left where guard's conditions do not hold."""
    return opening > 1 and tokens[opening - 1].text == "else" and tokens[opening - 2].text != "}"


def statements(source):
    """Calls and assignments left out, and ways out of a block that are not taken."""
    tokens = source.tokens
    for i, token in enumerate(tokens):
        opens = i and tokens[i - 1].text in ("{", "}", ";")
        if token.kind != "word" or token.within < 0 or tokens[token.within].text != "{":
            continue
        if not (source.is_first(i) or opens) or i and tokens[i - 1].kind == "symbol" and source.stands_free(i - 1):
            continue
        leaves = token.text in ("return", "throw", "continue", "break")
        if leaves and is_of_guard(tokens, token.within) or not leaves and not source.is_first(i):
            continue
        if not leaves and (token.text in KEYWORDS or token.text[0] in "@#" or token.text[0].isupper()):
            continue
        end = statement_end(source, i)
        if end is None or end == i and not leaves:
            continue
        inner = [t for t in tokens[i:end + 1] if t.within == token.within]
        assigns = any(t.text in ("=", "+=", "-=", "*=", "/=", "|=", "&=", "^=", "%=") for t in inner)
        calls = tokens[end].text in (")", "}")
        if leaves or assigns or calls:
            span = token.start, tokens[end].end
            yield Place("way out" if leaves else "assignment" if assigns else "call",
                        [(span[0], span[0], "if !gimbalMutant({n}) { "), (span[1], span[1], " }")],
                        [(*span, "/* left out */")])


def calls(source):
    tokens = source.tokens
    for i in range(1, len(tokens)):
        if tokens[i].text != "(" or tokens[i - 1].kind != "word" or tokens[i - 1].end != tokens[i].start:
            continue
        function, before = tokens[i - 1].text, tokens[i - 2].text if i > 1 else ""
        if before in ("func", "macro") or function in ("init", "subscript") and before != "." or function[0] == "@":
            continue
        if function in ("min", "max") and before != ".":
            other = "max" if function == "min" else "min"
            span = tokens[i - 1].start, tokens[i].end
            yield Place("least, most", [(*span, f"gimbal{function.capitalize()}imum({{n}}, ")],
                        [(*span, f"{other}(")])
        elif function not in UNORDERED:
            yield from swaps(source, i, lambda one, two: f"(gimbalMutant({{n}}) ? {two} : {one})")


def places(source):
    for find in (operators, constants, conditions, statements, calls):
        yield from find(source)


SUPPORT = """\
import CGimbalMutants
{imports}
@inline(__always) func gimbalMutant(_ number: Int32) -> Bool {{ gimbal_mutant(number) != 0 }}

func gimbalConstant<T: Numeric>(_ number: Int32, _ x: T) -> T {{ gimbalMutant(number) ? x + 1 : x }}

func gimbalNegated(_ number: Int32, _ x: Bool) -> Bool {{ gimbalMutant(number) ? !x : x }}

func gimbalMinimum<T: Comparable>(_ number: Int32, _ x: T, _ y: T) -> T {{
    gimbalMutant(number) ? max(x, y) : min(x, y)
}}

func gimbalMaximum<T: Comparable>(_ number: Int32, _ x: T, _ y: T) -> T {{
    gimbalMutant(number) ? min(x, y) : max(x, y)
}}

func gimbalMutantText(_ text: String, _ options: String) -> String {{
    let bytes = gimbal_mutant_text(text, options)!
    defer {{ bytes.deallocate() }}
    return String(cString: bytes)
}}
"""


def definition(number, old, new, precedence, has_tensors):
    """The operator of one change, for all types that it may be used with."""
    own = name(old, number)
    lines = [f"infix operator {own}: {precedence}Precedence"]
    body = lambda x, y: f"gimbalMutant({number}) ? {y} : {x}"
    function = lambda generic, a, b, result, x, y: lines.append(
        f"@inline(__always) func {own} {generic}(a: {a}, b: {b}) -> {result} {{ {body(x, y)} }}")
    both = (f"a {old} b", f"a {new} b")
    if precedence.startswith("Logical"):
        lines.append(f"@inline(__always) func {own} (a: Bool, b: @autoclosure () throws -> Bool) rethrows -> Bool "
                     f"{{ gimbalMutant({number}) ? try a {new} b() : try a {old} b() }}")
    elif old == "??":
        lines.append(f"@inline(__always) func {own} <T>(a: T?, b: @autoclosure () throws -> T) rethrows -> T "
                     f"{{ gimbalMutant({number}) ? try b() : try a ?? b() }}")
    elif old == "..<":
        function("", "Int", "Int", "Range<Int>", "a..<b", "a..<(b > a ? b - 1 : b)")
    elif precedence == "Comparison":
        generic = "AnyObject" if "==" in old and len(old) == 3 else "Equatable" if "=" in old[1:] and old[0] in "=!" \
            else "Comparable"
        if generic == "AnyObject":
            function("", "AnyObject?", "AnyObject?", "Bool", *both)
        else:
            function(f"<T: {generic}>", "T", "T", "Bool", *both)
    elif old in ("+", "-"):
        function("<T: AdditiveArithmetic>", "T", "T", "T", *both)
        if old == "+":
            function("<T>", "[T]", "[T]", "[T]", "a + b", "a")
    elif old == "*":
        function("<T: Numeric>", "T", "T", "T", *both)
    elif old == "/":
        function("<T: BinaryInteger>", "T", "T", "T", *both)
        function("<T: FloatingPoint>", "T", "T", "T", *both)
    else:
        function("<T: BinaryInteger>", "T", "T", "T", *both)
    if has_tensors and old in ("+", "-", "*", "/"):
        for a, b in (("Tensor", "Tensor"), ("Tensor", "Double"), ("Double", "Tensor")):
            function("", a, b, "Tensor", *both)
    return "\n".join(lines)


def support(mutants, imports, has_tensors):
    """The file that every module of Swift is given, for those of the changes that are made in it."""
    text = SUPPORT.format(imports="".join(f"import {name}\n" for name in imports))
    for mutant in mutants:
        if mutant.place.operators:
            text += "\n" + definition(mutant.number, *mutant.place.operators, has_tensors) + "\n"
    return text
