"""Whatever is done to the files of an audit log, verification finds it, and says where.

Each case changes one thing of a log of four segments (records 1-10, 11-20, 21-30, 31-35; a
checkpoint every five records) and names the segment and record that must be told, and what of.
The attacker has the files and an SQL shell; the key is not theirs unless the case says so.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biogate_security.audit_chain import link
from biogate_security.audit_log import AuditLog
from biogate_security.audit_store.checkpoint import Checkpoint
from biogate_security.audit_store.keys import KeyFiles, read_public_key
from biogate_security.audit_store.merkle import Frontier, leaf_hash
from biogate_security.audit_store.notes import SigningKey
from biogate_security.audit_store.segment import segment_files, segment_path
from biogate_security.audit_store.state import AuditOptions
from biogate_security.audit_store.verify import read_kept, verify_log

FIELDS = {
    "user": "olga",
    "new": "7",
    "old": "6",
    "reason": "why not",
    "tag": "BR101.ph",
    "node_id": "ns=2;s=pH",
    "address": "10.0.0.7",
    "zone": "cell",
    "batch_id": "B-17",
    "meaning": "review",
    "second_user": "ada",
    "rule": "role",
    "conduit": "dmz-to-cell",
    "session_id": "s1",
    "application_uri": "urn:client",
    "certificate_sha256": "ab",
    "attribute": "Value",
    "client_audit_entry_id": "c1",
    "authentication": "UserName",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The log that the cases are copies of."""
    import asyncio

    from biogate_security.audit import AuditRecord

    async def make(folder):
        log = await AuditLog.open(folder, options=AuditOptions(checkpoint_every=5))
        for count in (10, 10, 10, 5):
            for number in range(count):
                record = AuditRecord("write", 134 * 10**15 + number, roles=("Operator",), **FIELDS)
                await log.record(record)
            if count == 10:
                await log.rotate()
        await log.close()

    folder = tmp_path_factory.mktemp("whole") / "audit"
    asyncio.run(make(folder))
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "audit")


@pytest.fixture
def kept(whole):
    """The checkpoints as a copy elsewhere holds them."""
    (day,) = (whole / "checkpoints").glob("2*.txt")
    return read_kept(day)


def first_of(report):
    problem = report.problems[0]
    return problem.segment, problem.seq


def rows_of(folder, segment):
    with closing(sqlite3.connect(segment_path(folder, segment))) as database:
        return database.execute("SELECT seq, body, leaf, hash FROM records ORDER BY seq").fetchall()


def test_the_log_as_it_was_written_is_fine(folder, kept):
    report = verify_log(folder, kept)
    assert report.ok
    assert (report.records, report.segments, report.signed) == (35, 4, 35)


# One field, one record


@pytest.mark.parametrize(
    "field", [*FIELDS, "event", "time", "roles", "outcome", "seq", "log", "format"]
)
@pytest.mark.parametrize(("segment", "seq"), [(1, 1), (1, 10), (2, 15), (4, 35)])
def test_an_edit_of_any_field_of_any_record_is_found_there(folder, tamper, field, segment, seq):
    change = f"json_set(body, '$.{field}', 'x')"
    tamper(folder, f"UPDATE records SET body = {change} WHERE seq = {seq}", segment=segment)
    report = verify_log(folder)
    assert first_of(report) == (segment, seq)
    assert [problem.reason for problem in report.problems] == [
        "the payload is not the one that was hashed"
    ]


@pytest.mark.parametrize("column", ["body", "leaf", "hash"])
@pytest.mark.parametrize(("segment", "seq"), [(1, 1), (2, 20), (3, 25), (4, 35)])
@pytest.mark.parametrize("spoilt", ["zeroblob(32)", "''", "7", "x'00'"])
def test_any_column_of_any_record_made_anything_is_found_there(
    folder, tamper, column, segment, seq, spoilt
):
    tamper(folder, f"UPDATE records SET {column} = {spoilt} WHERE seq = {seq}", segment=segment)
    assert first_of(verify_log(folder)) == (segment, seq)


@pytest.mark.parametrize(("segment", "seq"), [(1, 3), (4, 35)])
def test_a_payload_that_was_taken_away_is_found_there(folder, tamper, segment, seq):
    tamper(folder, f"UPDATE records SET body = NULL WHERE seq = {seq}", segment=segment)
    report = verify_log(folder)
    assert first_of(report) == (segment, seq)
    assert "the payload is missing" in report.problems[0].reason


@given(st.data())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_character_of_any_payload_changed_is_found_there(folder, whole, data):
    shutil.rmtree(folder)
    shutil.copytree(whole, folder)
    segment = data.draw(st.integers(1, 4))
    seq, body, *_ = data.draw(st.sampled_from(rows_of(folder, segment)))
    at = data.draw(st.integers(0, len(body) - 1))
    changed = (
        body[:at]
        + data.draw(st.characters(exclude_characters=body[at], codec="utf-8"))
        + body[at + 1 :]
    )
    with closing(sqlite3.connect(segment_path(folder, segment))) as database:
        database.execute("DROP TRIGGER records_never_change")
        database.execute("UPDATE records SET body = ? WHERE seq = ?", (changed, seq))
        database.commit()
    report = verify_log(folder)
    assert (segment, seq) in [(problem.segment, problem.seq) for problem in report.problems]


# Order and number


@pytest.mark.parametrize(("segment", "seqs"), [(1, (1,)), (1, (5,)), (2, (14, 15, 16)), (3, (22,))])
def test_deleted_records_are_found_where_they_were(folder, tamper, segment, seqs):
    listed = ", ".join(map(str, seqs))
    tamper(folder, f"DELETE FROM records WHERE seq IN ({listed})", segment=segment)
    report = verify_log(folder)
    assert first_of(report) == (segment, seqs[0])
    assert report.problems[0].reason.startswith("missing: record")


@pytest.mark.parametrize(("segment", "last"), [(1, 10), (2, 20), (3, 30)])
def test_the_cut_tail_of_a_closed_segment_is_found_there(folder, tamper, segment, last):
    tamper(folder, f"DELETE FROM records WHERE seq > {last - 3}", segment=segment)
    report = verify_log(folder)
    assert first_of(report) == (segment, last - 2)
    assert "its tail was cut" in report.problems[0].reason


def test_the_cut_tail_of_the_log_is_found_by_the_logs_own_checkpoints(folder, tamper):
    tamper(folder, "DELETE FROM records WHERE seq > 32", segment=4)
    assert first_of(verify_log(folder)) == (4, 33)


def test_the_cut_tail_of_the_log_is_found_by_kept_ones_where_those_went_too(folder, tamper, kept):
    without_traces(folder, tamper, 32)
    tamper(folder, "DELETE FROM records WHERE seq > 32", segment=4)
    assert verify_log(folder).ok
    report = verify_log(folder, kept)
    assert first_of(report) == (4, 33)
    assert "35 records were signed on 20" in report.problems[0].reason


def without_traces(folder, tamper, last, segment=4):
    """The checkpoints of more than `last` records go from the store and the folder."""
    tamper(folder, f"DELETE FROM checkpoints WHERE size > {last}", segment=segment)
    shutil.rmtree(folder / "checkpoints")


@pytest.mark.parametrize(("segment", "one", "other"), [(1, 4, 5), (2, 11, 20), (4, 33, 34)])
def test_swapped_records_are_found_at_the_first(folder, tamper, segment, one, other):
    tamper(
        folder,
        f"UPDATE records SET seq = -1 WHERE seq = {one}",
        f"UPDATE records SET seq = {one} WHERE seq = {other}",
        f"UPDATE records SET seq = {other} WHERE seq = -1",
        segment=segment,
    )
    assert first_of(verify_log(folder)) == (segment, one)


@pytest.mark.parametrize(("segment", "seq"), [(1, 11), (4, 36), (2, 21)])
def test_an_inserted_record_that_chains_is_found_by_what_comes_after(folder, tamper, segment, seq):
    """As the last of a segment. Only at the log's very end nothing comes after: see below."""
    previous = rows_of(folder, segment)[-1]
    body = previous[1].replace(f'"seq":{seq - 1}', f'"seq":{seq}')
    leaf = leaf_hash(body.encode())
    values = f"{seq}, '{body}', x'{leaf.hex()}', x'{link(previous[3], leaf).hex()}'"
    statement = f"INSERT INTO records (seq, body, leaf, hash) VALUES ({values})"
    tamper(folder, statement, segment=segment)
    report = verify_log(folder)
    if segment == 4:
        assert (report.ok, report.records, report.signed) == (True, 36, 35)
    else:
        assert first_of(report)[0] == segment + 1


@pytest.mark.parametrize("seq", [0, -5])
def test_a_record_before_the_first_is_found(folder, tamper, seq):
    values = f"{seq}, '{{}}', zeroblob(32), zeroblob(32)"
    tamper(folder, f"INSERT INTO records (seq, body, leaf, hash) VALUES ({values})")
    report = verify_log(folder)
    assert first_of(report) == (1, seq)
    assert report.problems[0].reason.startswith("inserted")


def test_a_record_far_beyond_the_end_is_found(folder, tamper):
    values = f"{2**62}, '{{}}', zeroblob(32), zeroblob(32)"
    tamper(folder, f"INSERT INTO records (seq, body, leaf, hash) VALUES ({values})", segment=4)
    assert first_of(verify_log(folder)) == (4, 36)


# Everything rewritten


def rewrite(folder, first, *, key=None):
    """Edit record `first` and make all after it fit: leaves, chain, headers; with `key`, also the
    checkpoints. Whoever rewrites drops the triggers."""
    previous, frontier = None, Frontier()
    for segment in segment_files(folder):
        with closing(sqlite3.connect(segment_path(folder, segment))) as database:
            found = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = dict(found.fetchall())
            for name in triggers:
                database.execute(f"DROP TRIGGER {name}")
            if segment > 1:
                for name, value in (
                    ("previous_hash", previous),
                    ("previous_root", frontier.root()),
                    ("frontier", frontier.to_bytes()),
                ):
                    row = (value.hex(), name)
                    database.execute("UPDATE meta SET value = ? WHERE key = ?", row)
            sign_anew(database, frontier, key)
            for seq, body, leaf, hash_ in rows_of(folder, segment):
                if seq == first:
                    body = body.replace("olga", "piotr")
                if seq >= first:
                    leaf = leaf_hash(body.encode())
                    hash_ = link(previous, leaf)
                frontier.append(leaf)
                database.execute(
                    "UPDATE records SET body = ?, leaf = ?, hash = ? WHERE seq = ?",
                    (body, leaf, hash_, seq),
                )
                previous = hash_
                sign_anew(database, frontier, key)
            for trigger in triggers.values():
                database.execute(trigger)
            database.commit()


def sign_anew(database, frontier, key):
    if key is None:
        return
    rows = database.execute(
        "SELECT id, note FROM checkpoints WHERE size = ?", (frontier.size,)
    ).fetchall()
    for number, note in rows:
        old = Checkpoint.parse(note)
        new = Checkpoint.sign(old.origin, old.size, frontier.root(), old.time, key)
        database.execute(
            "UPDATE checkpoints SET note = ?, frontier = ? WHERE id = ?",
            (new.note, frontier.to_bytes(), number),
        )


@pytest.mark.parametrize(("first", "segment"), [(3, 1), (13, 2), (33, 4)])
def test_a_log_rewritten_to_its_end_is_found_between_two_checkpoints(folder, first, segment):
    rewrite(folder, first)
    report = verify_log(folder)
    low = (first - 1) // 5 * 5
    assert first_of(report) == (segment, low + 1)
    text = f"records {low + 1} to {low + 5} are not those signed on"
    assert report.problems[0].reason.startswith(text)


def test_a_log_rewritten_and_signed_with_another_key_is_found(folder):
    name = read_public_key(folder / "keys" / "audit.pub").name
    rewrite(folder, 13, key=SigningKey.generate(name))
    report = verify_log(folder)
    assert not report.ok
    assert "no trusted key signed it" in report.problems[0].reason


def test_a_log_rewritten_by_whoever_has_the_key_is_found_by_kept_checkpoints(folder, kept):
    name = read_public_key(folder / "keys" / "audit.pub").name
    rewrite(folder, 13, key=KeyFiles(folder / "keys").load_or_make(name)[0])
    shutil.rmtree(folder / "checkpoints")
    assert verify_log(folder).ok
    report = verify_log(folder, kept)
    assert first_of(report) == (2, 11)
    assert report.problems[0].reason.startswith("records 11 to 20 are not those signed on")


def test_a_log_and_key_made_anew_are_found_by_the_kept_key_and_checkpoints(folder, kept):
    pub = read_public_key(folder / "keys" / "audit.pub")
    forged = SigningKey.generate(pub.name)
    rewrite(folder, 3, key=forged)
    shutil.rmtree(folder / "checkpoints")
    (folder / "keys" / "audit.pub").write_text(f"{forged.verifying}\n")
    assert verify_log(folder).ok
    assert not verify_log(folder, keys=[pub]).ok
    assert "is forged, or" in str(verify_log(folder, kept).problems[0])
    assert first_of(verify_log(folder, kept, keys=[pub]))[0] == 1


# Checkpoints and keys


@pytest.mark.parametrize(
    ("change", "segment", "seq"),
    [
        ("UPDATE checkpoints SET note = replace(note, x'0a' || '15', x'0a' || '16')", 2, 15),
        ("UPDATE checkpoints SET note = 'no note' WHERE size = 15", 2, 15),
        ("UPDATE checkpoints SET note = x'ff00' WHERE size = 20", 2, 20),
        ("UPDATE checkpoints SET note = replace(note, 'time 2', 'time 1') WHERE size = 15", 2, 15),
        ("UPDATE checkpoints SET size = 16 WHERE size = 15", 2, 16),
        ("DELETE FROM checkpoints WHERE size = 15", 2, None),
        ("UPDATE checkpoints SET size = 99 WHERE size = 20", 2, 99),
    ],
)  # fmt: skip
def test_a_forged_moved_or_missing_checkpoint_is_found(folder, tamper, change, segment, seq):
    tamper(folder, change, segment=segment)
    assert first_of(verify_log(folder)) == (segment, seq)


def test_a_spoilt_frontier_alone_breaks_nothing_and_hides_nothing(folder, tamper):
    tamper(folder, "UPDATE checkpoints SET frontier = x'00'", segment=2)
    assert verify_log(folder).ok
    rewrite(folder, 13)
    assert first_of(verify_log(folder)) == (2, 11)


def test_kept_checkpoints_that_were_forged_are_told_apart_from_a_broken_log(folder, tmp_path):
    stranger = SigningKey.generate(read_public_key(folder / "keys" / "audit.pub").name)
    forged = tmp_path / "forged.txt"
    forged.write_text(Checkpoint.sign(stranger.name, 35, b"r" * 32, 0, stranger).note)
    report = verify_log(folder, read_kept(forged))
    assert [str(problem) for problem in report.problems] == [
        f"the log: {forged}: the checkpoint of 35 records is forged, or of another log or key"
    ]


def test_the_written_out_checkpoints_count_as_kept_ones(folder, tamper):
    tamper(folder, "DELETE FROM checkpoints WHERE size > 32", segment=4)
    tamper(folder, "DELETE FROM records WHERE seq > 32", segment=4)
    report = verify_log(folder)
    assert first_of(report) == (4, 33)
    assert "checkpoints/" in report.problems[0].reason


def test_a_written_out_file_that_holds_something_else_is_told(folder):
    (day,) = (folder / "checkpoints").glob("2*.txt")
    day.write_text("nonsense\n\n— nobody AAAAAAAA\n" + day.read_text())
    report = verify_log(folder)
    assert f"{day}: checkpoint 1: not a" in str(report.problems[0])


def test_a_checkpoint_cut_off_at_the_end_of_a_file_is_what_a_loss_of_power_leaves(folder):
    (day,) = (folder / "checkpoints").glob("2*.txt")
    day.write_text(day.read_text()[:-40])
    assert verify_log(folder).ok


def test_without_any_public_key_nothing_is_believed(folder):
    (folder / "keys" / "audit.pub").unlink()
    assert "no public key in" in str(verify_log(folder).problems[-1])


def test_removed_checkpoints_show_where_one_was_due(folder, tamper):
    for segment in (1, 2, 3, 4):
        tamper(folder, "DELETE FROM checkpoints WHERE id > 1", segment=segment)
    shutil.rmtree(folder / "checkpoints")
    report = verify_log(folder)
    assert (report.ok, report.signed) == (True, 30)  # 5 records are within what may be unsigned


def test_a_segment_without_the_checkpoint_that_it_began_with_is_found(folder, tamper):
    tamper(folder, "DELETE FROM checkpoints", segment=4)
    shutil.rmtree(folder / "checkpoints")
    assert first_of(verify_log(folder)) == (4, None)


def test_a_header_that_lets_checkpoints_wait_longer_is_found(folder, tamper):
    """Else whoever has no key could rewrite or add what they like behind the last checkpoint."""
    tamper(folder, "UPDATE meta SET value = '99999' WHERE key = 'checkpoint_every'", segment=4)
    without_traces(folder, tamper, 30)
    report = verify_log(folder)
    assert first_of(report) == (4, None)
    assert "a checkpoint is due every 99999 records, its checkpoints say 5" in str(
        report.problems[0]
    )


def test_a_payload_nested_without_end_is_found_though_its_hashes_fit(folder, tamper):
    body = "[" * 200_000
    (*_, (_, _, _, before), _) = rows_of(folder, 4)
    leaf = leaf_hash(body.encode())
    tamper(
        folder,
        f"UPDATE records SET body = '{body}', leaf = x'{leaf.hex()}', "
        f"hash = x'{link(before, leaf).hex()}' WHERE seq = 35",
        segment=4,
    )
    without_traces(folder, tamper, 30)
    assert first_of(verify_log(folder)) == (4, 35)


@pytest.mark.parametrize("table", ["meta", "records", "checkpoints"])
def test_a_view_without_end_in_the_place_of_a_table_is_told(folder, table):
    with closing(sqlite3.connect(segment_path(folder, 2))) as database:
        names = [
            name for (name,) in database.execute(f"SELECT name FROM pragma_table_info('{table}')")
        ]
        database.execute("PRAGMA legacy_alter_table = ON")
        database.execute(f"ALTER TABLE {table} RENAME TO aside")
        endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
        columns = ", ".join(f"x AS {name}" for name in names)
        database.execute(f"CREATE VIEW {table} AS {endless} SELECT {columns} FROM n")
        database.commit()
    report = verify_log(folder)
    assert first_of(report) == (2, None)
    assert "a view is in the place of a table" in report.problems[0].reason


# Segments


def test_swapped_segments_are_found(folder):
    one, other, aside = segment_path(folder, 2), segment_path(folder, 3), folder / "aside"
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    report = verify_log(folder)
    assert [str(problem) for problem in report.problems[:2]] == [
        "segment 000002: it is segment 000003: files were swapped or renamed",
        (
            "segment 000002, record 11: missing or twice: "
            "it begins with record 21, and 10 was the last"
        ),
    ]


@pytest.mark.parametrize(("segment", "seq"), [(1, 1), (2, 11), (3, 21)])
def test_a_removed_segment_is_found(folder, segment, seq):
    segment_path(folder, segment).unlink()
    report = verify_log(folder)
    assert str(report.problems[0]) == f"segment {segment:06d}: the file is missing"
    assert first_of_next(report) == (segment + 1, seq)


def first_of_next(report):
    problem = report.problems[1]
    return problem.segment, problem.seq


def test_the_removed_last_segment_is_found_by_kept_checkpoints(folder, kept):
    segment_path(folder, 4).unlink()
    report = verify_log(folder, kept)
    assert first_of(report) == (3, 31)


def test_a_segment_copied_behind_the_last_is_found(folder):
    shutil.copy(segment_path(folder, 4), segment_path(folder, 5))
    assert str(verify_log(folder).problems[0]).startswith("segment 000005: it is segment 000004")


def test_a_segment_of_another_log_is_found(folder, whole, tmp_path, tamper):
    meta = "UPDATE meta SET value = 'another' WHERE key = 'log_id'"
    tamper(folder, meta, segment=2)
    report = verify_log(folder)
    assert str(report.problems[0]) == "segment 000002: it belongs to the log another"


@pytest.mark.parametrize("content", [b"", b"nothing " * 4000, b"SQLite format 3\0" + b"x" * 8000])
def test_a_segment_overwritten_with_something_else_is_found(folder, content):
    segment_path(folder, 2).write_bytes(content)
    report = verify_log(folder)
    assert report.problems[0].segment == 2
    assert "cannot be read" in report.problems[0].reason


HEADER = (
    "segment",
    "first_seq",
    "previous_hash",
    "previous_root",
    "frontier",
    "log_id",
    "format",
    "dropped",
    "checkpoint_every",
)


@pytest.mark.parametrize("key", HEADER)
@pytest.mark.parametrize("value", ["3", "0", "x", ""])
def test_any_change_of_a_segments_header_is_found_in_it_or_changes_nothing(
    folder, tamper, key, value
):
    tamper(folder, f"UPDATE meta SET value = '{value}' WHERE key = '{key}'", segment=3)
    report = verify_log(folder)
    harmless = {("segment", "3"), ("dropped", "0")}  # they are what is there
    assert report.ok == ((key, value) in harmless), report.problems
    assert all(problem.segment == 3 for problem in report.problems[:1])


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER records_never_go",
        "DROP TRIGGER checkpoints_never_change",
        "DROP TABLE checkpoints",
        "DROP INDEX records_by_time",
        "CREATE TABLE notes (text)",
        "CREATE VIEW nice AS SELECT 1",
        "DROP TABLE meta",
    ],
)
def test_any_change_of_the_tables_is_found(folder, statement):
    with closing(sqlite3.connect(segment_path(folder, 2))) as database:
        database.execute(statement)
    assert verify_log(folder).problems[0].segment == 2


def test_a_computed_column_that_lies_is_found(folder):
    """The table made anew with a time of its own choice: what queries by time would be told."""
    with closing(sqlite3.connect(segment_path(folder, 2))) as database:
        (made,) = database.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'records'"
        ).fetchone()
        database.execute("ALTER TABLE records RENAME TO honest")
        database.execute(made.replace("'$.time'", "'$.user'"))
        database.execute(
            "INSERT INTO records (seq, body, leaf, hash) SELECT seq, body, leaf, hash FROM honest"
        )
        database.execute("DROP TABLE honest")
        database.commit()
    report = verify_log(folder)
    assert "records is missing or not as it was made" in str(report.problems[0])


def test_each_of_several_breaks_is_told_and_hides_no_other(folder, tamper):
    for segment, seq in ((1, 3), (2, 12), (4, 34)):
        change = f"UPDATE records SET body = replace(body, 'olga', 'x') WHERE seq = {seq}"
        tamper(folder, change, segment=segment)
    tamper(folder, "DELETE FROM records WHERE seq = 25", segment=3)
    report = verify_log(folder)
    assert [(problem.segment, problem.seq) for problem in report.problems] == [
        (1, 3),
        (2, 12),
        (3, 25),
        (3, 26),
        (4, 34),
    ]


def test_an_exact_copy_somewhere_else_verifies_by_itself(folder, tmp_path):
    copy = tmp_path / "archive"
    copy.mkdir()
    shutil.copy(segment_path(folder, 3), copy)
    shutil.copytree(folder / "keys", copy / "keys")
    report = verify_log(copy / "000003.sqlite")
    assert (report.ok, report.records, report.signed) == (True, 10, 30)
    assert json.loads(rows_of(folder, 3)[0][1])["seq"] == 21


# The bytes of the file


@given(st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_bytes_changed_anywhere_in_a_file_are_found_or_change_no_record(folder, whole, data):
    """Also in what SQLite keeps of its own: whatever it makes of it, there is a report."""
    shutil.rmtree(folder)
    shutil.copytree(whole, folder)
    path = segment_path(folder, data.draw(st.integers(1, 4)))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    report = verify_log(folder)
    if report.ok:
        for segment in segment_files(folder):
            assert rows_of(folder, segment) == rows_of(whole, segment)
    else:
        assert report.problems
