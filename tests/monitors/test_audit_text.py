"""The text that an audit log keeps of a request."""

from pathlib import Path

from hooke.monitors.audit_log import AuditLog
from hooke.monitors.audit_text import KeptText, kept_text


def test_a_requests_text_is_read_until_it_is_erased(tmp_path: Path):
    with AuditLog(tmp_path, actor="gateway", sync=False) as log:
        log.append("request", {"request": "req-1", "model": "m"}, text="the prompt, of another entry")
        log.append("verdict", {"request": "req-1", "name": "quiet"})
        entry = log.append("verdict", {"request": "req-1", "name": "loud", "text_at": 7}, text="around the token")
        log.append("verdict", {"request": "req-2", "note": "req-1"}, text="another request's")
        assert kept_text(tmp_path, "req-1") == KeptText(text="around the token", monitor="loud", at=7, model="m")
        assert kept_text(tmp_path, "req-2") == KeptText(text="another request's", monitor="", at=None, model="")
        assert kept_text(tmp_path, "req-3") is None
        assert entry.text is not None
        log.erase(entry.text.record)
        assert kept_text(tmp_path, "req-1") is None
    assert kept_text(tmp_path / "nowhere", "req-1") is None
