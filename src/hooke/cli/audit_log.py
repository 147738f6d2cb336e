"""`hooke monitor verify-log | export-log | erase-text | new-key`: audit logs, held against themselves."""

import json
from pathlib import Path

from hooke.cli.answer import Answer, plain_data
from hooke.cli.options import Everywhere
from hooke.cli.terminal import note, table, title


def verify_log(
    folder: Path,
    /,
    *,
    anchors: Path | None = None,
    key: str | None = None,
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Verify an audit log: find any change, gap, swap or repetition, and say what a chain cannot show.

    Parameters
    ----------
    folder
        The log's folder.
    anchors
        A file of anchors that were kept elsewhere, one a line as in the log's own anchors.jsonl: only these show that
        the newest entries were taken away, or that everything was written anew.
    key
        The public key, in hexadecimal, that anchors must be signed with.
    """
    from hooke.monitors.audit_check import verify
    from hooke.monitors.audit_log import read_anchor_file

    found = verify(folder, anchors=() if anchors is None else read_anchor_file(anchors), key=key)
    signed = f"{found.n_signed} of {found.n_anchors} anchors are signed"
    whose = "with the key that was given" if found.key_is_given else "each with the key that it names itself"
    rows = [
        ("entries", f"{found.n:,}"),
        ("anchored", f"the first {found.n_anchored:,}; {signed}, {whose}"),
        ("texts", f"{found.n_texts:,} sealed, {found.n_erased:,} of them erased"),
        ("clock set back", f"at {', '.join(map(str, found.clock_back[:8]))}" if found.clock_back else "never"),
        ("half-written", f"{found.torn_bytes} bytes behind the last entry" if found.torn_bytes else "nothing"),
    ]
    problems = [
        (one.kind, "" if one.index is None else str(one.index), str(one.line or ""), one.told) for one in found.problems
    ]
    first = "" if found.first_broken is None else f" The first is at entry {found.first_broken}."
    verdict = "It hangs together." if found.is_sound else f"It does NOT hang together.{first}"
    return Answer(
        data={"is_sound": found.is_sound, "first_broken": found.first_broken, "verified": found},
        shown=(
            title(str(folder), verdict),
            table(("", ""), rows),
            *((table(("what", "entry>", "line>", ""), problems),) if problems else ()),
            *(note(one) for one in found.limits),
        ),
        exit_code=0 if found.is_sound else 1,
    )


def export_log(folder: Path, /, *, out: Path, everywhere: Everywhere = Everywhere()) -> Answer:
    """Export an audit log with the texts that can still be read, as one JSON object that can be handed on.

    Parameters
    ----------
    folder
        The log's folder.
    out
        The file to write.
    """
    from hooke.monitors.audit_check import exported, verify
    from hooke.pages.page import write_page

    entries, verified = exported(folder), verify(folder)
    told = {"entries": entries, "verified": plain_data(verified)}
    write_page(out, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    return Answer(
        data={"n": len(entries), "out": out, "is_sound": verified.is_sound},
        shown=(f"{len(entries):,} entries in {out}",),
    )


def erase_text(
    folder: Path, record: str, /, *, reason: str = "", actor: str = "hooke", everywhere: Everywhere = Everywhere()
) -> Answer:
    """Erase a text that an audit log is about, by losing its key; the chain stays whole and says so.

    Parameters
    ----------
    folder
        The log's folder.
    record
        The text's record, as its entry names it.
    reason
        Why, in words without personal data: they cannot be erased.
    actor
        Who erases it.
    """
    from hooke.monitors.audit_check import verify
    from hooke.monitors.audit_log import AuditLog

    verify(folder)
    with AuditLog(folder, actor=actor) as log:
        entry = log.erase(record, reason=reason)
    return Answer(
        data={"record": record, "entry": entry.index},
        shown=(
            f"Erased; entry {entry.index} says so.",
            note("Copies of keys.jsonl elsewhere, such as backups, still open it: erase them too."),
        ),
    )


def new_key(path: Path, /, *, everywhere: Everywhere = Everywhere()) -> Answer:
    """Make a key that signs the anchors of audit logs.

    Parameters
    ----------
    path
        File for the private key; only its owner can read it.
    """
    from hooke.monitors.signing_keys import new_key as make
    from hooke.monitors.signing_keys import public_key

    public = public_key(make(path))
    return Answer(
        data={"path": path, "public_key": public},
        shown=(f"Public key: {public}", note("Give it to those who verify; keep the file where only the writer is.")),
    )
