"""What to do about a line of the log, in plain words. The table of docs/operations.md says more. Pure."""

from __future__ import annotations

import re
from typing import Final

_ADVICE: Final[tuple[tuple[str, str], ...]] = (
    (
        r"is sealed; kov waits",
        "Producers wait until somebody unseals the log stream: run `varlogctl ls unseal`, start Varlog's "
        "admin server with --auto-unseal, or set varlog.unseal in the mapping file.",
    ),
    (
        r"is sealed; kov unseals",
        "Nothing: kov unseals the log stream as soon as that is safe. If this lasts, look whether all its "
        "storage nodes run.",
    ),
    (
        r"says that this log stream belongs to",
        "Correct the mapping file: this log stream holds another partition.",
    ),
    (
        r"kov repair|was trimmed",
        "Run `kov repair` as kov's log says; it shows what is lost before it writes anything.",
    ),
    (r"needs no fence", "Nothing: the topic is deleted all the same."),
    (
        r"an append landed at|somebody else writes",
        "Nothing is lost. Find the program that writes into this log stream, and stop it.",
    ),
    (
        r"with this one's node id",
        "Nothing if kov was just replaced or started again. Otherwise two nodes run with the same id: change "
        "one.",
    ),
    (
        r"writes this partition now",
        "Two nodes serve the same partition: give all nodes the same list of nodes.",
    ),
    (
        r"it was fenced",
        "Nothing: it was repaired or its topic deleted. It opens again when a producer asks.",
    ),
    (
        r"can't be opened now|can't be followed now|can't see whether the other writer",
        "kov tries again by itself; producers wait. If it lasts, look whether the storage nodes and the "
        "metadata repositories run and can be reached from here.",
    ),
    (r"can't be unsealed", "kov tries again by itself. If it lasts, look at Varlog's admin server."),
    (
        r"can't be read: ",
        "Readers can't go on. Look at the storage nodes that hold this log stream.",
    ),
    (
        r"ended \(.*starting it again|trying again in",
        "It is started again by itself. If it ends again, the lines before this one in kov's log say why.",
    ),
    (r"runs again", "Nothing: it is over."),
    (r"did not stop within", "Nothing: what was acknowledged is stored."),
    (
        r"refusing the connection",
        "Raise max.connections or max.connections.per.ip in the mapping file, or find out who opens so many.",
    ),
    (
        r"its answers are not being read|a request has begun and doesn't arrive",
        "Look at that client: it is stuck, or the network to it is.",
    ),
    (
        r"closing the connection",
        "Look what runs at that address: it sent what isn't Kafka's protocol, or a damaged request.",
    ),
    (r"connections were cut off", "Nothing: those clients connect again and send again."),
    (r"this server doesn't serve", "Configure that client without it, see docs/kafka-clients.md."),
    (
        r"metadata.*(can't be|renewed)|metadata of new log streams",
        "kov goes on with what it knows and asks again. If it lasts, look at the metadata repositories.",
    ),
    (
        r"the catalog can't be read|the catalog did not",
        "It is tried again by itself. If it lasts, look at the catalog's log stream.",
    ),
    (r"can't be made or changed until kov is restarted", "Start a kov that is as new as the newest node."),
    (
        r"is not taken over|this node serves the topics as before",
        "Correct the mapping file; `kov check FILE` says what is wrong. Until then the old one holds.",
    ),
    (r"takes effect when kov is started again", "Start kov again when it suits."),
    (r"is gone; its topics are served on", "Put the mapping file back, or stop this kov."),
    (r"has no log stream|every log stream can't be told", "Run `kov check FILE`, which says what to do."),
    (r"in the mapping file and in the catalog", "Rename or delete one of the two topics."),
    (r"belongs? to nothing|partitions is not known", "`kov topics --orphans` shows it and removes it."),
    (r"could not be created", "It is tried again when a client asks. The line says what stood in the way."),
    (r"listening on every address", "Give --advertise HOST:PORT if producers can't reach that name."),
    (
        r"advertise|clients are told to connect",
        "Correct the advertised address: clients connect to nothing else. Ignore it if they can from where "
        "they are.",
    ),
    (
        r"another one of the same name|what lies there now",
        "Undo the change of the mapping file, unless you meant it.",
    ),
    (
        r"is not used: |in the environment does nothing",
        "Correct the environment of kov, or take it out there.",
    ),
    (r"for want of room", "Make room on the disk. It goes on by itself then."),
    (r"a commit failed", "Look at the disk, and at the kernel's log."),
    (r"space could not be freed", "Nothing, unless it comes again and again: then look at the disk."),
    (r"will be reported as unknown", "Install the grpcio that constraints.txt names."),
    (
        r"slow|took .* s\b",
        "Clients wait. If it lasts, look at the append latencies on this page, and at the storage nodes' "
        "disks.",
    ),
    (r" OPENING ", "Producers wait while kov finds out what was stored; nothing is lost or written twice."),
    (r" CLOSED ", "Nothing."),
)
_FOUND: Final = tuple((re.compile(pattern), todo) for pattern, todo in _ADVICE)
_DEFECT: Final = "This is a defect of kov: please report it with the lines around it in kov's log."
_UNKNOWN: Final = "Nothing if it stays at this one time. Otherwise look it up in docs/log-lines.md."


def advice_for(line: str, *, defect: bool) -> str:
    """`defect`: the line came with a traceback."""
    if defect:
        return _DEFECT
    return next((todo for pattern, todo in _FOUND if pattern.search(line)), _UNKNOWN)


def is_known(line: str) -> bool:
    return any(pattern.search(line) for pattern, _ in _FOUND)
