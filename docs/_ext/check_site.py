"""Check the built site: every link inside it leads somewhere, and every example printed what it printed before.

python docs/_ext/check_site.py            exit status 1, and what is wrong, if something is
python docs/_ext/check_site.py --accept   what the examples print now is right: examples/outputs.json
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

DOCS = Path(__file__).parent.parent
SITE = DOCS / "_build" / "html"
OUTPUTS = DOCS.parent / "examples" / "outputs.json"


class Page(HTMLParser):
    """The names in a page that can be linked to, and what it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if key == "id" or (key == "name" and tag == "a"):
                self.names.add(value or "")
            elif key in ("href", "src") and value is not None and (key, tag) != ("href", "base"):
                self.links.append(value)


def broken_links(site: Path) -> list[str]:
    """Links of the pages in a folder to files, or to places in pages, that are not in it."""
    page = cache(lambda path: Page(path.read_text()))
    found = []
    for path in sorted(site.rglob("*.html")):
        for link in page(path).links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            place = unquote(parts.fragment)
            if not target.is_file() or not target.is_relative_to(site.resolve()):
                found.append(f"{path.relative_to(site)}: {link} leads to no file")
            elif place and target.suffix == ".html" and place not in page(target).names:
                found.append(f"{path.relative_to(site)}: {link} leads to no place in that page")
    return found


def printed(galleries: list[Path]) -> dict[str, str]:
    """What each example printed, as sphinx-gallery wrote it down."""
    block = re.compile(r"^ \.\. code-block:: none\n\n((?:    .*\n|\n)*)", re.MULTILINE)
    return {
        f"{folder.name}/{path.stem}": "\n".join(
            textwrap.dedent(part).strip() for part in block.findall(path.read_text())
        )
        for folder in galleries
        for path in sorted(folder.glob("plot_*.rst"))
    }


def changed_outputs(now: dict[str, str], before: dict[str, str]) -> list[str]:
    """Examples that print something else than before, with what differs first."""
    found = []
    for name in sorted(now.keys() | before.keys()):
        if name not in now or name not in before:
            found.append(f"{name}: {'has no output yet' if name in now else 'is gone'}; --accept if that is right")
        elif now[name] != before[name]:
            lines = zip([*now[name].split("\n"), ""], [*before[name].split("\n"), ""], strict=False)
            new, old = next(((a, b) for a, b in lines if a != b), ("", "(more lines)"))
            found.append(f"{name} printed {old!r}, and now {new!r}")
    return found


def main(arguments: list[str]) -> int:
    now = printed([DOCS / "recipes", DOCS / "libraries"])
    if "--accept" in arguments:
        OUTPUTS.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n")
    problems = broken_links(SITE) + changed_outputs(now, json.loads(OUTPUTS.read_text()))
    print("\n".join(problems) or f"{len(list(SITE.rglob('*.html')))} pages, {len(now)} examples: nothing broken")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
