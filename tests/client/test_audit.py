"""Both clients, reading the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from songclient import AuditFilter, InvalidDataFormat, Privilege, PrivilegeError

if TYPE_CHECKING:
    from songclient import SongClient
    from songserver.testing import SongServer


def test_all_events_are_gone_over_the_latest_first(admin: SongClient, empty_server: SongServer) -> None:
    empty_server.sign_up("ann")
    ann = admin.get_user(username="ann").id
    for _ in range(5):
        admin.set_privilege(Privilege.PRIVILEGE_EDITOR, user_id=ann)
    admin.disable_user(user_id=ann)

    events = list(admin.list_audit_events(page_size=2))

    assert [event.action for event in events[:6]] == ["DisableUser", *["SetPrivilege"] * 5]
    sequences = [event.sequence for event in events]
    assert sequences == list(range(len(events), 0, -1))

    found = list(admin.list_audit_events(filter=AuditFilter(target_id=ann, action="DisableUser"), page_size=1))
    assert found == events[:1]
    assert found[0].actor_id == admin.get_me().id


def test_a_filter_that_cannot_be_read_is_told(admin: SongClient) -> None:
    with pytest.raises(InvalidDataFormat) as caught:
        list(admin.list_audit_events(filter=AuditFilter(actor_id="nonsense")))
    assert [violation.field for violation in caught.value.violations] == ["filter.actor_id"]


def test_the_log_is_for_admins(editor: SongClient) -> None:
    with pytest.raises(PrivilegeError):
        list(editor.list_audit_events())
