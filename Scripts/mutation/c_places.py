"""What can be changed in C and OpenCL C.

GIMBAL_MUTANT(n) is 1 for the change that is made, else 0: a function in C, in kernels a digit put in before they are
compiled.
"""
from .places import Place, swaps

# By how tightly they bind.
PRECEDENCE = {"*": 9, "/": 9, "%": 9, "+": 8, "-": 8, "<<": 7, ">>": 7, "<": 6, "<=": 6, ">": 6, ">=": 6, "==": 5,
              "!=": 5, "&": 4, "^": 3, "|": 2, "&&": 1, "||": 0}
OPERATORS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&", "+": "-",
             "-": "+", "*": "+", "/": "*", "%": "*", "<<": ">>", ">>": "<<"}
LEAST_MOST = {"min": "max", "max": "min", "fmin": "fmax", "fmax": "fmin", "fminf": "fmaxf", "fmaxf": "fminf"}
KEYWORDS = set("""
    auto case const default do else enum extern for goto if inline int float double char long short signed unsigned size_t
    void sizeof static struct switch typedef union volatile while uint uchar ulong half bool float2 float4 int4 uint4
    ptrdiff_t __kernel kernel __global global __local local __private private __constant constant ALWAYS_INLINE
    INLINE return break continue
""".split())


def ends_operand(token):
    return token.kind in ("word", "number", "text") and token.text not in ("return", "case") or token.text in (")", "]")


def is_binary(source, i):
    tokens = source.tokens
    return (tokens[i].kind == "symbol" and tokens[i].text in PRECEDENCE and i > 0 and ends_operand(tokens[i - 1])
            and source.stands_free(i))


def operand(source, i, step):
    """The number of the token at the far end of what a binary operator binds on one side."""
    tokens, own, j = source.tokens, PRECEDENCE[source.tokens[i].text], i + step
    last = None
    while 0 <= j < len(tokens):
        token = tokens[j]
        if token.kind == "bracket":
            if token.text not in (("(", "[") if step > 0 else (")", "]")) or token.partner < 0:
                break
            j = token.partner
        elif token.text in ("?", "=", "return", "case") or token.text.endswith("=") and token.text not in PRECEDENCE:
            break
        elif is_binary(source, j):
            other = PRECEDENCE[token.text]
            if other < own or step > 0 and other == own:
                break
        last = j
        j += step
    return last


def operators(source):
    tokens, text = source.tokens, source.text
    for i, token in enumerate(tokens):
        if not is_binary(source, i) or token.text not in OPERATORS:
            continue
        left, right = operand(source, i, -1), operand(source, i, 1)
        if left is None or right is None:
            continue
        a = text[tokens[left].start:tokens[i - 1].end]
        b = text[tokens[i + 1].start:tokens[right].end]
        new = OPERATORS[token.text]
        span = tokens[left].start, tokens[right].end
        kind = ("and, or" if token.text in ("&&", "||") else
                "comparison" if PRECEDENCE[token.text] in (5, 6) else "arithmetic")
        yield Place(kind, [(*span, f"(GIMBAL_MUTANT({{n}}) ? {a} {new} {b} : {a} {token.text} {b})")],
                    [(token.start, token.end, new)])


def constants(source):
    for token in source.tokens:
        if token.kind == "number":
            yield Place("constant", [(token.start, token.end, f"({token.text} + GIMBAL_MUTANT({{n}}))")],
                        [(token.start, token.end, f"({token.text} + 1)")])


def conditions(source):
    tokens = source.tokens
    for i, token in enumerate(tokens[:-1]):
        if token.text in ("if", "while") and tokens[i + 1].text == "(" and tokens[i + 1].partner > 0:
            span = tokens[i + 1].start, tokens[tokens[i + 1].partner].end
            text = source.text[span[0]:span[1]]
            yield Place("condition", [(*span, f"(GIMBAL_MUTANT({{n}}) ? !{text} : !!{text})")], [(*span, f"(!{text})")])


def statements(source):
    tokens = source.tokens
    for i, token in enumerate(tokens):
        if token.kind != "word" or i and tokens[i - 1].text not in ("{", "}", ";", ")"):
            continue
        # After a bracket only what it is the condition of.
        if i and tokens[i - 1].text == ")":
            before = tokens[tokens[i - 1].partner - 1].text
            if before not in ("if", "for", "while"):
                continue
        if token.within >= 0 and tokens[token.within].text != "{":
            continue
        leaves = token.text in ("return", "break", "continue")
        if not leaves and (token.text in KEYWORDS or tokens[i + 1].kind == "word" or tokens[i + 1].text == "*"):
            continue
        end = i
        while end < len(tokens) and not (tokens[end].text in (";", "{", "}") and tokens[end].within == token.within):
            end += 1
        if end >= len(tokens) or tokens[end].text != ";":
            continue
        inner = [t for t in tokens[i:end] if t.within == token.within]
        assigns = any(t.text in ("++", "--") or t.text.endswith("=") and t.text not in PRECEDENCE for t in inner)
        if leaves or assigns or tokens[end - 1].text == ")":
            span = token.start, tokens[end].end
            yield Place("way out" if leaves else "assignment" if assigns else "call",
                        [(span[0], span[0], "{ if (!GIMBAL_MUTANT({n})) "), (span[1], span[1], " }")],
                        [(*span, "/* left out */;")])


def calls(source):
    tokens = source.tokens
    for i in range(1, len(tokens)):
        if tokens[i].text != "(" or tokens[i].partner < 0 or tokens[i - 1].kind != "word":
            continue
        function = tokens[i - 1].text
        if tokens[i].within < 0 or function in KEYWORDS or tokens[i - 2].kind == "word" and tokens[i - 2].text != "return":
            continue
        if function in LEAST_MOST:
            span = tokens[i - 1].start, tokens[tokens[i].partner].end
            rest = source.text[tokens[i].start:span[1]]
            yield Place("least, most", [(*span, f"(GIMBAL_MUTANT({{n}}) ? {LEAST_MOST[function]}{rest} : {function}{rest})")],
                        [(tokens[i - 1].start, tokens[i - 1].end, LEAST_MOST[function])])
        elif function not in ("fma", "mad"):
            yield from swaps(source, i, lambda one, two: f"(GIMBAL_MUTANT({{n}}) ? {two} : {one})")


def places(source):
    for find in (operators, constants, conditions, statements, calls):
        yield from find(source)
