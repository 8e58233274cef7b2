"""Places of the code at which something can be changed, and how."""
from dataclasses import dataclass

# Changes of longer pieces of code would keep many lines from any other change.
MOST_LINES = 6


@dataclass
class Place:
    kind: str
    # Pieces of the text and what takes their place; {n} stands for the change's number.
    edits: list
    # The same as a reader would write it.
    shown: list
    # What an operator is exchanged for, for Swift to be given operators that can do both.
    operators: tuple = ()


@dataclass
class Mutant:
    path: str
    module: str
    first: int
    last: int
    before: str
    after: str
    place: Place
    number: int = -1


def edited(text, edits, start, end):
    """The part of the text from start to end, edited."""
    pieces, at = [], start
    for first, last, new in sorted(edits):
        pieces += [text[at:first], new]
        at = last
    return "".join(pieces) + text[at:end]


def mutant(source, path, module, place):
    """A place with its lines before and after the change; None for one of too many lines."""
    first = source.line(min(start for start, _, _ in place.edits))
    last = source.line(max(max(end - 1, start) for start, end, _ in place.edits))
    if last - first >= MOST_LINES:
        return None
    start = source.line_starts[first - 1]
    end = source.line_starts[last] if last < len(source.line_starts) else len(source.text)
    spare = lambda text: " ".join(text.split())
    before = spare(source.text[start:end])
    after = spare(edited(source.text, place.shown, start, end))
    return Mutant(path, module, first, last, before, after, place)


def arguments(source, opening):
    """The pieces between the commas of a call's brackets, as numbers of their first and last tokens, after labels."""
    tokens, pieces, first = source.tokens, [], opening + 1
    closing = tokens[opening].partner
    for number in range(opening + 1, closing + 1):
        if number == closing or tokens[number].text == "," and tokens[number].within == opening:
            if first < number:
                labelled = (source.is_swift and number - first > 2 and tokens[first].kind == "word"
                            and tokens[first + 1].text == ":")
                pieces.append((first + 2 * labelled, number - 1))
            first = number + 1
    return pieces


def swaps(source, opening, choose):
    """Neighbouring arguments exchanged. choose(first, second) is the code that takes one or the other."""
    tokens, text = source.tokens, source.text
    pieces = arguments(source, opening)
    for (a, b), (c, d) in zip(pieces, pieces[1:]):
        one, two = text[tokens[a].start:tokens[b].end], text[tokens[c].start:tokens[d].end]
        plain = all(t.text not in ("{", "&", "try", "let", "var", ":", "...", "..<", "nil", "await", "in", "inout")
                    or t.text == "&" and not source.is_swift for t in tokens[a:b + 1] + tokens[c:d + 1])
        # Other kinds of values are seldom of one type.
        alike = [(t.kind == "text", t.kind == "number", t.text[0] == ".") for t in (tokens[a], tokens[c])]
        if plain and one != two and alike[0] == alike[1] and len(one) + len(two) < 120:
            spans = (tokens[a].start, tokens[b].end), (tokens[c].start, tokens[d].end)
            yield Place("argument", [(*spans[0], choose(one, two)), (*spans[1], choose(two, one))],
                        [(*spans[0], two), (*spans[1], one)])
