"""Draws the pictures of docs/concepts.md; with --check it only compares. Each has its light and its dark."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

FOLDER: Final = Path(__file__).parent
WIDTH: Final = 860

STYLE: Final = """
svg { --paper: #ffffff; --ink: #1e293b; --faint: #64748b; --line: #94a3b8; --box: #f1f5f9;
      --batch: #dbeafe; --fence: #fde68a; --void: #e2e8f0; --good: #15803d; --bad: #b91c1c;
      --stamp: #bbf7d0; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #1f2430; --ink: #e2e8f0; --faint: #a3aec0; --line: #64748b; --box: #2b3242;
        --batch: #1e3a5f; --fence: #6b5310; --void: #343b49; --good: #4ade80; --bad: #f87171;
        --stamp: #14532d; }
}
text { font-family: Helvetica, Arial, sans-serif; font-size: 14px; fill: var(--ink); }
.small { font-size: 12px; } .faint { fill: var(--faint); } .bold { font-weight: bold; }
.middle { text-anchor: middle; } .good { fill: var(--good); } .bad { fill: var(--bad); }
.paper { fill: var(--paper); } .box { fill: var(--box); } .batch { fill: var(--batch); }
.fence { fill: var(--fence); } .void { fill: var(--void); stroke-dasharray: 4 3; }
.stamp { fill: var(--stamp); }
rect { stroke: var(--line); } .paper { stroke: none; }
path { stroke: var(--ink); stroke-width: 1.6; fill: none; } path.dash { stroke-dasharray: 5 4; }
path.good { stroke: var(--good); fill: none; } path.bad { stroke: var(--bad); fill: none; }
path.faint { stroke: var(--line); fill: none; stroke-width: 1.2; }
marker path { stroke: none; fill: context-stroke; }
"""
ARROW: Final = (
    '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
    'orient="auto-start-reverse"><path d="M0 0 10 5 0 10z"/></marker></defs>'
)


def text(x: float, y: float, words: str, kind: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, kind: str = "box") -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4" class="{kind}"/>'


def label(x: float, y: float, width: float, height: float, kind: str, *lines: str) -> str:
    """A box with centred words, the first line large."""
    first = y + height / 2 + 5 - 8 * (len(lines) - 1)
    words = (
        text(x + width / 2, first + 16 * at, line, "middle" if at == 0 else "middle small faint")
        for at, line in enumerate(lines)
    )
    return box(x, y, width, height, kind) + "".join(words)


def arrow(path: str, kind: str = "") -> str:
    return f'<path d="{path}" class="{kind}" marker-end="url(#tip)"/>'


def picture(height: int, title: str, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" '
        f'aria-label="{escape(title)}">\n<style>{STYLE}</style>\n{ARROW}\n'
        f'<rect width="{WIDTH}" height="{height}" rx="8" class="paper"/>\n{body}\n</svg>\n'
    )


def entry() -> str:
    """What the bytes of an entry are."""
    y = 62
    cells = (
        (0, 130, "stamp", "base offset", "bytes 0 to 7"),
        (130, 86, "batch", "length", "8 to 11"),
        (216, 122, "stamp", "leader epoch", "12 to 15"),
        (338, 70, "batch", "magic 2", "16"),
        (408, 86, "batch", "CRC-32C", "17 to 20"),
        (
            494,
            320,
            "batch",
            "attributes, times, producer, records",
            "21 to the end, as the producer made them",
        ),
    )
    control = (
        (0, 110, "fence", "ff 6b 6f 76", "no batch begins so"),
        (110, 106, "fence", "version, kind", "4 to 7"),
        (216, 122, "fence", "epoch", "8 to 11"),
        (338, 156, "fence", "CRC-32C", "12 to 15"),
        (494, 320, "fence", "a message: fence, snapshot, claim, repair", "16 to the end"),
    )
    return picture(
        306,
        "A batch entry and a control entry, byte by byte",
        [
            text(23, 34, "A batch entry: a Kafka record batch", "bold"),
            text(23, 52, "green: stamped by kov", "small good"),
            *(label(23 + x, y, width, 52, kind, *words) for x, width, kind, *words in cells),
            '<path d="M517 124v8h319v-8" class="faint"/>',
            text(677, 150, "what the checksum covers: kov changes nothing in it", "middle small faint"),
            text(23, 200, "A control entry: what kov writes for itself", "bold"),
            *(label(23 + x, 214, width, 52, kind, *words) for x, width, kind, *words in control),
            text(23, 290, "Consumers never see it, and it takes no offset.", "small faint"),
        ],
    )


def fence() -> str:
    """Two writers, and what the log makes of their entries."""
    entries = (
        ("fence", "fence", "epoch 1", "", "A may write"),
        ("batch", "3 records", "epoch 1", "0 to 2", "valid"),
        ("batch", "2 records", "epoch 1", "3 to 4", "valid"),
        ("fence", "fence", "epoch 2", "", "B may write"),
        ("void", "4 records", "epoch 1", "", "void: A came late"),
        ("batch", "1 record", "epoch 2", "5", "valid"),
        ("batch", "2 records", "epoch 2", "6 to 7", "valid"),
    )
    parts = [text(20, 34, "One log stream, two nodes", "bold"), text(20, 106, "node A", "bold")]
    parts += [text(20, 252, "node B", "bold"), text(20, 162, "LLSN", "small faint")]
    parts += [text(20, 216, "offsets", "small faint")]
    for at, (kind, what, epoch, offsets, meaning) in enumerate(entries):
        x = 84 + 108 * at
        by_a = epoch == "epoch 1"
        parts.append(label(x, 140, 100, 56, kind, what, epoch))
        parts.append(text(x + 50, 134, str(at + 1), "middle small faint"))
        parts.append(text(x + 50, 216, offsets or "none", "middle small" + ("" if offsets else " faint")))
        parts.append(
            arrow(f"M{x + 50} {92 if by_a else 258}V{118 if by_a else 226}", "dash" if kind == "void" else "")
        )
        tone = "bad" if kind == "void" else "faint"
        parts.append(text(x + 50, 84 if by_a else 276, meaning, f"middle small {tone}"))
    parts.append('<path d="M84 102H620" class="faint"/><path d="M404 250H836" class="faint"/>')
    parts.append(text(20, 314, "A hung, and B took over. What A had sent arrives behind B's fence.", "small"))
    parts.append(
        text(20, 334, "It counts for nobody. A learns of it from the LLSN in Varlog's answer.", "small")
    )
    return picture(352, "Entries by a writer of an older epoch are void", parts)


def doubt() -> str:
    """An append without an answer, and how it is settled."""
    lanes = ((110, "producer"), (390, "kov"), (700, "Varlog"))
    parts = [text(x, 30, name, "middle bold") for x, name in lanes]
    parts += [f'<path d="M{x} 42V470" class="faint"/>' for x, _ in lanes]
    parts += [
        arrow("M110 66H384"),
        text(247, 60, "batch, sequence 7", "middle small"),
        arrow("M390 96H694"),
        text(542, 90, "append, epoch 3, offset 40", "middle small"),
        '<path d="M700 126H560" class="bad dash"/><path d="M552 118l16 16m0-16l-16 16" class="bad"/>',
        text(542, 152, "no answer: stored? not stored? stored later?", "middle small bad"),
        label(300, 164, 180, 40, "box", "doubt: open again"),
        arrow("M390 226H694"),
        text(542, 220, "fence, epoch 4", "middle small"),
        arrow("M700 252H396", "good"),
        text(542, 246, "stored at LLSN 58", "middle small good"),
        arrow("M700 284H396", "good"),
        text(542, 278, "every entry up to 58", "middle small"),
        text(542, 298, "Nothing of epoch 3 counts behind 58.", "middle small faint"),
        label(206, 322, 176, 50, "batch", "found before 58", "it is stored, at 40"),
        label(398, 322, 190, 50, "void", "not found", "it never will be valid"),
        arrow("M206 392H116", "good"),
        text(214, 397, "answer: offset 40", "small good"),
        arrow("M490 376V424H694"),
        text(592, 418, "append anew, epoch 4", "middle small"),
        arrow("M700 450H116", "good"),
        text(247, 466, "then the answer", "middle small good"),
    ]
    return picture(488, "An append in doubt is settled by a new fence", parts)


def life() -> str:
    """The states of a partition on one node."""
    return picture(
        376,
        "The states of a partition and the moves between them",
        [
            text(20, 34, "A partition on one node", "bold"),
            label(40, 70, 160, 56, "box", "IDLE", "nobody asked yet"),
            label(330, 70, 190, 56, "fence", "OPENING", "read, fence, read on"),
            label(650, 70, 170, 56, "batch", "ACTIVE", "producers are served"),
            label(120, 250, 200, 56, "void", "FAILED", "somebody must act"),
            label(480, 250, 210, 56, "void", "DEPOSED", "another node writes"),
            arrow("M200 98H324"),
            text(262, 90, "first produce", "middle small"),
            arrow("M520 86H644"),
            text(582, 78, "own fence holds", "middle small"),
            arrow("M650 112H526"),
            text(586, 132, "any doubt", "middle small"),
            arrow("M370 126L250 244"),
            text(346, 178, "no way to open it", "small"),
            arrow("M470 126L570 244"),
            text(546, 196, "a newer fence than ours", "small"),
            arrow("M150 250V132", "dash"),
            text(160, 196, "tried again later", "small"),
            arrow("M480 290H400V340H70V132", "dash"),
            text(250, 358, "a producer asks, and the other one is silent", "middle small"),
            text(628, 356, "CLOSED: kov ends, or the topic goes", "small faint"),
        ],
    )


PICTURES: Final[dict[str, Callable[[], str]]] = {"entry": entry, "fence": fence, "doubt": doubt, "life": life}


def main() -> int:
    is_check = "--check" in sys.argv[1:]
    for name, draw in PICTURES.items():
        path, drawn = FOLDER / f"{name}.svg", draw()
        if path.exists() and path.read_text(encoding="utf-8") == drawn:
            continue
        if is_check:
            print(f"{path.name} is out of date: make docs", file=sys.stderr)
            return 1
        path.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
