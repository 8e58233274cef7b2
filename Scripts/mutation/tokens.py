"""Tokens of Swift and of C, as far as places for changes are to be found by them."""
import bisect
import re
from dataclasses import dataclass

OPENING, CLOSING = {"(": ")", "[": "]", "{": "}"}, {")", "]", "}"}
SYMBOLS = re.compile(r"[-+*/%<>=!&|^~?.]+")
C_SYMBOLS = re.compile(r"<<=|>>=|->|\+\+|--|<<|>>|&&|\|\||[-+*/%<>=!&|^]=|[-+*/%<>=!&|^~?.]")
NUMBER = re.compile(r"0x[0-9A-Fa-f_]+(?:\.[0-9a-fA-F]+)?(?:[pP][-+]?\d+)?[uUlLfF]*"
                    r"|\d[\d_]*(?:\.\d[\d_]*|\.(?![.\w]))?(?:[eE][-+]?\d+)?[uUlLfF]*")
WORD = re.compile(r"[@#$]?[A-Za-z_]\w*|`\w+`|\$\d+")


@dataclass
class Token:
    kind: str  # word, number, text, symbol, or bracket, which commas, colons and semicolons are as well
    text: str
    start: int
    end: int
    # The number of the token that opens or closes the bracket, and of the one that opens what this lies in.
    partner: int = -1
    within: int = -1


class Source:
    """A file as tokens, without comments and directives."""

    def __init__(self, text, is_swift):
        self.text, self.is_swift = text, is_swift
        self.line_starts = [0] + [m.end() for m in re.finditer("\n", text)]
        self.tokens = list(self._scan())
        open_ones = []
        for number, token in enumerate(self.tokens):
            if token.kind == "bracket" and token.text in CLOSING and open_ones:
                token.partner = open_ones.pop()
                self.tokens[token.partner].partner = number
            token.within = open_ones[-1] if open_ones else -1
            if token.kind == "bracket" and token.text in OPENING:
                open_ones.append(number)

    def line(self, position):
        """The number of the line that holds a position, from 1."""
        return bisect.bisect_right(self.line_starts, position)

    def is_first(self, number):
        """Whether no other token stands before it in its line."""
        return number == 0 or self.line(self.tokens[number - 1].end - 1) < self.line(self.tokens[number].start)

    def stands_free(self, number):
        """Whether there is space on both sides, as around an operator between two operands."""
        token = self.tokens[number]
        return self.text[token.start - 1:token.start].isspace() and self.text[token.end:token.end + 1].isspace()

    def _scan(self):
        text, at = self.text, 0
        while at < len(text):
            c = text[at]
            if c.isspace() or c == "\\":
                at += 1
            elif text.startswith("//", at):
                at = self._end_of_line(at)
            elif text.startswith("/*", at):
                at = self._after_comment(at)
            elif c == "#" and not text[self.line_starts[self.line(at) - 1]:at].strip() and self._is_directive(at):
                at = self._after_directive(at)
            elif c == '"' or c == "#" and re.compile(r'#+"').match(text, at):
                end = self._after_text(at)
                yield Token("text", text[at:end], at, end)
                at = end
            elif c == "'" and not self.is_swift:
                end = re.compile(r"'(?:\\.|[^'\\])*'").match(text, at).end()
                yield Token("text", text[at:end], at, end)
                at = end
            else:
                for kind, pattern in (("number", NUMBER), ("word", WORD),
                                      ("symbol", SYMBOLS if self.is_swift else C_SYMBOLS)):
                    match = pattern.match(text, at)
                    if match and match.end() > at:
                        yield Token(kind, match.group(), at, match.end())
                        at = match.end()
                        break
                else:
                    yield Token("bracket", c, at, at + 1)
                    at += 1

    def _is_directive(self, at):
        return not self.is_swift or re.compile(r"#(if|else|elseif|endif|warning|error)\b").match(self.text, at)

    def _end_of_line(self, at):
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end

    def _after_directive(self, at):
        """A macro's body that begins on a line of its own is code like any other."""
        end = self._end_of_line(at)
        if not self.is_swift and not self.text.startswith("#define", at):
            while self.text[end - 1] == "\\":
                end = self._end_of_line(end + 1)
        return end

    def _after_comment(self, at):
        depth = 0
        for match in re.compile(r"/\*|\*/").finditer(self.text, at):
            depth += 1 if match.group() == "/*" and (self.is_swift or depth == 0) else 0
            depth -= match.group() == "*/"
            if depth == 0:
                return match.end()
        return len(self.text)

    def _after_text(self, at):
        """What is put into a Swift string by \\( ) belongs to it."""
        hashes = re.compile("#*").match(self.text, at).group()
        at += len(hashes)
        quote = '"""' if self.text.startswith('"""', at) and self.is_swift else '"'
        at += len(quote)
        while at < len(self.text):
            if self.text.startswith(quote + hashes, at):
                return at + len(quote + hashes)
            if self.text.startswith("\\" + hashes, at):
                at += 1 + len(hashes)
                if self.is_swift and self.text[at] == "(":
                    depth = 0
                    while True:
                        if self.text[at] == '"':
                            at = self._after_text(at)
                            continue
                        depth += (self.text[at] == "(") - (self.text[at] == ")")
                        at += 1
                        if depth == 0:
                            break
                else:
                    at += 1
            else:
                at += 1
        return at
