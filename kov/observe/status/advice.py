"""What to do about a line of the log, in plain words: the same as docs/log-lines.md says. Pure."""

from __future__ import annotations

import re
from typing import Final

_DEFECT: Final = "Report this defect of kov, with the lines around it in its log."
_UNKNOWN: Final = "Nothing if it stays at this one time. Otherwise look it up in docs/log-lines.md."

# The first that fits holds.
ADVICE: Final[tuple[tuple[str, str], ...]] = (
    (
        r"is sealed; kov waits",
        "Unseal the log stream with `varlogctl ls unseal`, or have Varlog's admin server do so "
        "(--auto-unseal) or kov (varlog.unseal in the mapping file).",
    ),
    (
        r"is sealed; kov unseals",
        "Nothing. If it lasts, a replica isn't sealed yet: look whether all its storage nodes run.",
    ),
    (
        r"runs and answers no append.*kov seals|seems stuck",
        "Nothing: kov seals the log stream and unseals it. If it comes again, look at the disks of its "
        "storage nodes.",
    ),
    (
        r"runs and answers no append",
        "Look at the disks of its storage nodes. If it lasts, `varlogctl ls seal` and then "
        "`varlogctl ls unseal` free it.",
    ),
    (
        r"says that this log stream belongs to",
        "Correct the mapping file: this log stream holds another partition, for ever.",
    ),
    (
        r"kov repair|was trimmed",
        "Run the `kov repair` command that the line names; it shows what is lost before it writes anything.",
    ),
    (r"needs no fence", "Nothing: the topic is deleted all the same."),
    (
        r"an append landed at|somebody else writes",
        "Find the program that writes into this log stream, and stop it. Nothing is lost; each such "
        "entry makes the partition open again.",
    ),
    (
        r"with this one's node id",
        "Nothing if kov was just replaced or started again. Otherwise two nodes run with the same id: "
        "change one.",
    ),
    (
        r"writes this partition now",
        "Nothing if a node was replaced. If it comes again and again, two nodes think that they lead: "
        "compare their mapping files.",
    ),
    (r"it was fenced", "Nothing: it opens again when a producer asks."),
    (r"could not be settled|settling the entries .* failed|opening failed", _DEFECT),
    (
        r"can't be opened now|can't be followed now|can't see whether the other writer",
        "Nothing: it is tried again. If it lasts, look whether the storage node that the line names runs "
        "and can be reached from here.",
    ),
    (
        r"can't be (un)?sealed",
        "Look at Varlog's admin server, `varlog.admin` in the mapping file. It is tried again by itself.",
    ),
    (
        r"can't be read: ",
        "Run `kov inspect` for the partition: it shows where the entry lies that can't be read over.",
    ),
    (
        r"the embedded store ended",
        "Look at the line before it: if the disk is full, make room; if it was killed for want of "
        "memory, give it more. It is started again by itself.",
    ),
    (
        r"ended \(.*starting it again",
        "Look at the lines before it, and report a trace. It is started again by itself.",
    ),
    (
        r"trying again in",
        "Mend what the line names, a taken port, say, or a directory that can't be written. It is tried "
        "again by itself.",
    ),
    (r"runs again|is being renewed again", "Nothing: it is over."),
    (
        r"did not stop within",
        "Nothing, unless it happens each time: then look at the disk. What was acknowledged is stored.",
    ),
    (
        r"refusing the connection",
        "Raise `max.connections` or `max.connections.per.ip` in the mapping file, or find out who opens "
        "so many.",
    ),
    (
        r"its answers are not being read|a request has begun and doesn't arrive",
        "Look at that client: it is stuck, or the network to it is.",
    ),
    (
        r"closing the connection",
        "Look what runs at that address: a client that sends damaged requests, or something that isn't a "
        "Kafka client.",
    ),
    (r"connections were cut off", "Nothing: those clients connect again and send again."),
    (r"this server doesn't serve", "Configure that client without it."),
    (r"metadata of new log streams", "Nothing, unless it lasts: then look at the metadata repositories."),
    (
        r"metadata can't be renewed",
        "Look at the metadata repositories. Until they are back appends may hang: Varlog commits through "
        "them.",
    ),
    (
        r"the catalog can't be read",
        "Nothing: it is tried again. If it lasts, look at the storage nodes of the catalog's log stream.",
    ),
    (r"the catalog did not confirm", "Nothing: it is sent again, and the client is told how it ended."),
    (r"the catalog did not take", "Have the client try again."),
    (
        r"can't be made or changed until kov is restarted",
        "Start a kov as new as the newest node, or correct `catalog` in the mapping file.",
    ),
    (
        r"is not taken over|this node serves the topics as before",
        "Correct the mapping file; `kov check FILE` says what is wrong. It is read again when it changes.",
    ),
    (r"takes effect when kov is started again", "Start kov again when it suits."),
    (
        r"^[^<\s]\S*:\d+: |^KOV_\w+: ",
        "Correct the mapping file or the variable, as the line says. The file is read again when it changes.",
    ),
    (r"is gone; its topics are served on", "Put the mapping file back before the next start."),
    (r"has no log stream", "Run `kov check FILE`: it says what to do."),
    (
        r"every log stream can't be told",
        "Look at the metadata repositories. The file is taken over all the same.",
    ),
    (r"in the mapping file and in the catalog", "Rename or delete one of the two topics."),
    (
        r"^log stream .* belongs to nothing",
        "Seal and remove it with Varlog's tools, or leave it: it does no harm.",
    ),
    (
        r"belongs? to nothing",
        "Run `kov topics --orphans` when it suits: it shows what is left over, and with --remove removes it.",
    ),
    (r"partitions is not known", "Run `kov topics`: it shows how many there are."),
    (
        r"could not be created",
        "Look at the reason that the line gives: often it is Varlog's admin server. It is tried again "
        "when a client asks.",
    ),
    (r"listening on every address", "Give `--advertise HOST:PORT` if clients can't reach that name."),
    (r"which is their own host", "Correct the advertised address, unless all clients run on this host."),
    (
        r"advertise|clients are told to connect",
        "Correct the advertised address, the name server or the port forwarding. Ignore it if clients "
        "get there by another way.",
    ),
    (
        r"another one of the same name|what lies there now",
        "Undo the change of the mapping file, unless you meant it.",
    ),
    (r"is not used: |in the environment does nothing", "Correct the variable, or take it away."),
    (
        r"service manager can't be told",
        "Look whether the unit has `NotifyAccess=main`, and kov may write to that socket.",
    ),
    (r"for want of room", "Make room on the disk. It goes on by itself then."),
    (r"a commit failed", "Look at the disk, and at the kernel's log."),
    (r"space could not be freed", "Nothing, unless it comes again and again: then look at the disk."),
    (r"will be reported as unknown", "Install the grpcio that constraints.txt names."),
    (
        r"^slow: |took .* s\b",
        "Look at the log stream if it is one partition, else at the storage nodes' disks and at this "
        "node's CPU.",
    ),
)
# What else a line about a partition may say, by the state that it names.
_STATES: Final = (
    (" OPENING ", "Nothing: producers wait while kov finds out what was stored; nothing is lost or doubled."),
    (" CLOSED ", "Nothing."),
)
_FOUND: Final = tuple((re.compile(pattern), todo) for pattern, todo in (*ADVICE, *_STATES))


def advice_for(line: str, *, defect: bool) -> str:
    """`defect`: the line came with a traceback."""
    if defect:
        return _DEFECT
    return next((todo for pattern, todo in _FOUND if pattern.search(line)), _UNKNOWN)


def is_known(line: str) -> bool:
    return any(pattern.search(line) for pattern, _ in _FOUND)
