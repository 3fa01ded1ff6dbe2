"""Every mutant of cargo-mutants in one build. A mutant is chosen when a test runs, by the variable TAP_MUTANT.

`a < b` becomes `(if crate::__m(17) { a > b } else { a < b })`, a function's body begins with
`if crate::__m(18) { return None; }`, and an arm of a match gets a guard. So no mutant costs a build of its own.
"""

import collections
import json
import pathlib

import tree_sitter
import tree_sitter_rust

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))
# What is computed when the program is compiled can ask for no variable.
CONSTANT = {"const_item", "static_item", "array_type", "const_block", "enum_variant", "const_parameter", "type_arguments"}
OUTER_FIRST = {"take": 0, "guard": 1, "insert": 1, "arm": 1, "expression": 2}

SWITCH = pathlib.Path(__file__).with_name("switch.rs")


class Place:
    """A part of the text that mutants change."""

    def __init__(self, start, end, kind):
        self.start, self.end, self.kind = start, end, kind
        self.inner = []
        self.others = []  # numbers and texts of what may stand here
        self.deleted, self.true, self.false = [], [], []  # numbers of what happens to an arm or its guard


def is_constant(node):
    while node is not None:
        if node.type in CONSTANT:
            return True
        if node.type == "function_item":
            words = [child.text.split() for child in node.children if child.type == "function_modifiers"]
            if any(b"const" in each for each in words):
                return True
        node = node.parent
    return False


def ancestor(node, *types):
    while node is not None and node.type not in types:
        node = node.parent
    return node


def tagged(number, text):
    """The tags show which mutant an error of the compiler is about."""
    return f"/*M{number}*/{text}/*E{number}*/"


class Source:
    def __init__(self, text):
        self.bytes = text
        self.root = PARSER.parse(text).root_node
        self.places = {}
        self.starts, at = [], 0
        self.lines = text.decode().split("\n")
        for line in self.lines:
            self.starts.append(at)
            at += len(line.encode()) + 1

    def offset(self, place):
        line, column = place["line"] - 1, place["column"] - 1
        return self.starts[line] + len(self.lines[line][:column].encode())

    def part(self, start, end):
        return self.bytes[start:end].decode()

    def place(self, start, end, kind):
        return self.places.setdefault((start, end, kind), Place(start, end, kind))

    def add(self, mutant):
        """Returns whether the mutant can be chosen when a test runs."""
        start, end = (self.offset(mutant["span"][side]) for side in ("start", "end"))
        last = start if mutant["genre"] == "FnValue" else max(start, end - 1)
        node = self.root.descendant_for_byte_range(start, last)
        add = getattr(self, "add_" + mutant["genre"], None)
        return add is not None and not is_constant(node) and bool(add(mutant, node, start, end))

    def add_FnValue(self, mutant, node, start, _):
        body = None
        while node is not None and body is None:
            if node.type == "function_item" and node.child_by_field_name("body").start_byte < start:
                body = node.child_by_field_name("body")
            node = node.parent if body is None else node
        if body is None:
            return False
        returned = node.child_by_field_name("return_type")
        if returned is not None and returned.text.startswith(b"impl "):
            return self.add_iterator(mutant, body, returned.text)
        text = tagged(mutant["number"], f"return {mutant['replacement']};")
        self.place(body.start_byte + 1, body.start_byte + 1, "insert").others.append((mutant["number"], text))
        return True

    def add_iterator(self, mutant, body, returned):
        """An `impl Iterator` is one type: the one that is there yields nothing."""
        last = body.named_children[-1]
        has_more = any(word in returned for word in (b"DoubleEnded", b"ExactSize"))
        is_value = not last.type.endswith(("_statement", "_comment"))
        if mutant["replacement"] != "::std::iter::empty()" or b"Iterator<" not in returned or has_more or not is_value:
            return False
        self.place(last.start_byte, last.end_byte, "take").others.append((mutant["number"], ""))
        return True

    def replace(self, mutant, node, text):
        other = (mutant["number"], tagged(mutant["number"], text))
        self.place(node.start_byte, node.end_byte, "expression").others.append(other)
        return True

    def add_BinaryOperator(self, mutant, node, start, end):
        node = ancestor(node, "binary_expression", "compound_assignment_expr", "let_chain")
        if node is None or node.type == "let_chain" or node.child_by_field_name("operator").start_byte != start:
            return False
        sides = (node.child_by_field_name(side).type for side in ("left", "right"))
        if any(side in ("let_condition", "let_chain") for side in sides):
            return False
        text = self.part(node.start_byte, start) + mutant["replacement"] + self.part(end, node.end_byte)
        return self.replace(mutant, node, text)

    def add_UnaryOperator(self, mutant, node, start, end):
        node = ancestor(node, "unary_expression")
        if node is None or node.start_byte != start:
            return False
        return self.replace(mutant, node, self.part(end, node.end_byte))

    def add_StructField(self, mutant, node, start, end):
        node = ancestor(node, "struct_expression")
        if node is None:
            return False
        behind = self.part(end, node.end_byte).lstrip().removeprefix(",")
        return self.replace(mutant, node, self.part(node.start_byte, start) + behind)

    def add_MatchArmGuard(self, mutant, node, start, _):
        pattern = ancestor(node, "match_pattern")
        guard = pattern and pattern.child_by_field_name("condition")
        if guard is None or guard.start_byte != start:
            return False
        place = self.place(guard.start_byte, guard.end_byte, "guard")
        (place.true if mutant["replacement"] == "true" else place.false).append(mutant["number"])
        return True

    def add_MatchArm(self, mutant, node, start, _):
        arm = ancestor(node, "match_arm")
        while arm is not None and start not in (arm.start_byte, arm.child_by_field_name("pattern").start_byte):
            arm = ancestor(arm.parent, "match_arm")
        if arm is None:
            return False
        pattern = arm.child_by_field_name("pattern")
        guard = pattern.child_by_field_name("condition")
        if guard is None:
            place = self.place(pattern.end_byte, pattern.end_byte, "arm")
        else:
            place = self.place(guard.start_byte, guard.end_byte, "guard")
        place.deleted.append(mutant["number"])
        return True

    def rendered(self):
        root = Place(0, len(self.bytes), "root")
        stack = [root]
        key = lambda place: (place.start, -place.end, OUTER_FIRST[place.kind])
        for place in sorted(self.places.values(), key=key):
            while not (stack[-1].start <= place.start and place.end <= stack[-1].end and stack[-1].kind not in ("insert", "arm")):
                stack.pop()
            stack[-1].inner.append(place)
            stack.append(place)
        return self.render(root)

    def render(self, place):
        parts, at = [], place.start
        for inner in place.inner:
            parts += [self.part(at, inner.start), self.render(inner)]
            at = inner.end
        text = "".join(parts) + self.part(at, place.end)
        if place.kind == "root":
            return text
        return getattr(self, "render_" + place.kind)(place, text)

    @staticmethod
    def render_insert(place, _):
        return "".join(f" if crate::__m({number}) {{ {text} }}" for number, text in place.others)

    @staticmethod
    def render_expression(place, text):
        others = "".join(f"if crate::__m({number}) {{ {other} }} else " for number, other in place.others)
        return f"({others}{{ {text} }})"

    @staticmethod
    def render_take(place, text):
        number = place.others[0][0]
        return f"({text}).take({tagged(number, f'if crate::__m({number}) {{ 0 }} else {{ usize::MAX }}')})"

    @staticmethod
    def render_arm(place, _):
        return " if " + " && ".join(tagged(number, f"!crate::__m({number})") for number in place.deleted)

    @staticmethod
    def render_guard(place, text):
        deleted = "".join(tagged(number, f"!crate::__m({number})") + " && " for number in place.deleted)
        true = "".join(f"crate::__m({number}) || " for number in place.true)
        false = "".join(f"!crate::__m({number}) && " for number in place.false)
        return f"{deleted}({true}{false}({text}))"


def instrument(tree, mutants, dropped):
    """Writes the files with all mutants but those dropped. Returns the numbers of those that cannot be chosen."""
    files, impossible = collections.defaultdict(list), set()
    for mutant in mutants:
        files[mutant["file"]].append(mutant)
    for lib in {mutant["lib"] for mutant in mutants}:
        files[lib] += []
    for name, of_file in files.items():
        source = Source(pathlib.Path(name).read_bytes())
        impossible |= {each["number"] for each in of_file if each["number"] not in dropped and not source.add(each)}
        text = source.rendered()
        if name in {mutant["lib"] for mutant in mutants}:
            text += "\n" + SWITCH.read_text()
        if (tree / name).read_text() != text:
            (tree / name).write_text(text)
    return impossible


def blamed(tree, mutants, messages):
    """The mutants that errors of the compiler are about, and the errors that are about none."""
    import re

    numbers, others, tags = set(), [], {}

    def around(span):
        name = span["file_name"]
        if name not in tags:
            found, stack = [], []
            text = (tree / name).read_bytes() if (tree / name).is_file() else b""
            for tag in re.finditer(rb"/\*([ME])(\d+)\*/", text):
                if tag[1] == b"M":
                    stack.append(tag.end())
                else:
                    found.append((stack.pop(), tag.start(), int(tag[2])))
            tags[name] = found
        return {number for start, end, number in tags[name] if start <= span["byte_start"] and span["byte_end"] <= end}

    def spans(message):
        for span in message["spans"]:
            while span is not None:
                yield span
                span = span["expansion"]["span"] if span.get("expansion") else None
        for child in message["children"]:
            yield from spans(child)

    for line in messages:
        message = json.loads(line).get("message")
        if not isinstance(message, dict) or message["level"] != "error" or not message["spans"]:
            continue
        found = set().union(*(around(span) for span in spans(message)))
        if (message.get("code") or {}).get("code") == "E0004":
            # A match without one of these arms says nothing about some value.
            match = next(span for span in message["spans"] if span["is_primary"])
            arms = (mutant for mutant in mutants if mutant["genre"] == "MatchArm" and mutant["file"] == match["file_name"])
            below = lambda mutant: 0 < mutant["span"]["start"]["line"] - match["line_start"] < 20
            found |= {mutant["number"] for mutant in arms if below(mutant)}
        numbers |= found
        if not found:
            others.append(message["rendered"])
    return numbers, others
