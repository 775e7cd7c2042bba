"""Collects the texts that the program may print: string literals of src without tests, as a list in Markdown.

Usage: messages.py FOLDER OUTPUT PLACES. Line N of PLACES names the file and line of line N of OUTPUT.
"""

import pathlib
import re
import sys

LITERAL = re.compile(r'"((?:[^"\\]|\\.|\\\n)*)"', re.S)
COMMENT = re.compile(r"(?m)^[ \t]*//.*$")
CODE = re.compile(r"^(SELECT|SHOW|SET|CREATE|ALTER|CAST|CONVERT|IFNULL)\b|[;{]\n|\.expect\(")


def messages(path):
    """Texts of one file with their lines, without tests, comments, SQL and what holds code."""
    text = path.read_text().split("#[cfg(test)]\nmod tests")[0]
    text = COMMENT.sub("", text)
    for literal in LITERAL.finditer(text):
        words = re.sub(r"\\\n\s*", "", literal.group(1)).replace('\\"', '"').replace("\\n", " ").strip()
        if words.count(" ") >= 2 and "\n" not in words and not CODE.search(words):
            yield text.count("\n", 0, literal.start()) + 1, words


def main():
    folder, output, places = sys.argv[1:]
    entries = []
    for path in sorted(pathlib.Path(folder).rglob("*.rs")):
        if path.stem.endswith("tests") or "tests" in path.parts or "fixtures" in str(path) or "_tests" in str(path.parent):
            continue
        entries += [(f"{path}:{line}", words) for line, words in messages(path)]
    pathlib.Path(output).write_text("".join(f"- {words}\n\n" for _, words in entries))
    pathlib.Path(places).write_text("".join(f"{place}\n\n" for place, _ in entries))


main()
