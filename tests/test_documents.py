"""Documents: what goes through them comes back equal, and nothing else becomes a job."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields as fields_of
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collection_jobs import CollectionJob, JobStatus
from collection_jobs.conformance.checks.sequential.strategies import fields
from collection_jobs.conformance.spec.calls import example_job
from collection_jobs.documents import (
    VERSION,
    from_document,
    from_json,
    from_micros,
    listing_key,
    to_document,
    to_json,
    to_micros,
)
from collection_jobs.fields import FIELDS

FORMER = Path(__file__).parent / "documents"
"""A document of each version, as the release that knew it last wrote it."""

instants = st.datetimes(timezones=st.just(UTC))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # its texts are long
@given(fields())
def test_a_job_comes_back_equal_and_with_its_revision(chosen: dict[str, Any]) -> None:
    job = example_job(**chosen)
    for revision in (None, 7, 2**80):
        back = from_json(to_json(job.with_revision(revision)))
        assert (back, back.revision) == (job, revision)


@given(instants)
def test_an_instant_comes_back_to_the_microsecond(instant: datetime) -> None:
    assert from_micros(to_micros(instant)) == instant


@given(st.tuples(instants, st.text(st.characters(exclude_categories=["Cs"]))), st.data())
def test_keys_sort_as_listings_do(one: tuple[datetime, str], data: st.DataObject) -> None:
    created_at, job_id = one
    other = data.draw(
        st.tuples(
            st.one_of(st.just(created_at), instants),
            st.one_of(
                st.just(f"{job_id} "),
                st.text(st.characters(exclude_categories=["Cs"])),
            ),
        )
    )
    assert (listing_key(*one) < listing_key(*other)) == (one < other)


def test_the_key_of_the_empty_id_comes_before_every_job_of_that_instant() -> None:
    since = datetime(2024, 3, 1, tzinfo=UTC)
    assert listing_key(since, "") < listing_key(since, "\x01")


@pytest.mark.parametrize("candles", [0, 2**53 + 1, 2**63 - 1])
def test_candles_come_back_exactly(candles: int) -> None:
    job = example_job(completed_symbols={"BTC": candles})
    assert from_json(to_json(job)).completed_symbols == {"BTC": candles}


@pytest.mark.parametrize("candles", [2**63, 2**70, "0x8000000000000000", 5.0, None, True])
def test_a_document_with_other_candles_is_refused_by_the_symbol(candles: Any) -> None:
    document = to_document(example_job()) | {"completed_symbols": {"ETH": candles}}
    with pytest.raises(ValueError, match=r"candles must be .*, of the completed symbol 'ETH'"):
        from_document(document)


def test_a_document_is_readable() -> None:
    document = to_document(example_job(status=JobStatus.RUNNING, revision=3))
    assert document["created_at"] == "2024-03-01T00:00:00+00:00"
    assert (document["status"], document["revision"]) == ("running", 3)
    assert json.loads(to_json(from_document(document))) == document


@pytest.mark.parametrize(
    "changes",
    [
        {"start": 5},
        {"start": "yesterday"},
        {"start": "2024-01-01T00:00:00"},
        {"status": "lost"},
        {"symbols": "BTC"},
        {"completed_symbols": {"BTC": "many"}},
        {"completed_symbols": [["BTC", 1]]},
        {"failed_symbols": {"DOGE": "not collected"}},
        {"revision": "3"},
        {"id": ""},
        {"metadata": {"a": 1}},
        {"metadata": ["a"]},
        {"strange": 1},
    ],
)
def test_what_no_job_can_be_is_refused_with_the_reason(changes: dict[str, Any]) -> None:
    document = to_document(example_job()) | changes
    with pytest.raises(ValueError, match=r"not a document of a job: .+"):
        from_document(document)


@pytest.mark.parametrize(
    "text", [b"\xff\x00", "", "{", "[]", "null", pytest.param("[" * 100_000, id="deep"), "{}"]
)
def test_damaged_text_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_json(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", r"Expecting property name .*: '\{'"),
        ("[" * 100_000, "recursion"),
        ('{"revision": ' + "9" * 5_000 + "}", "4300 digits"),
        ("[]", "a document must be a mapping of fields, not list: "),
        (json.dumps([*to_document(example_job()).items()]), "a mapping of fields, not list: "),
        ("null", "a document must be a mapping of fields, not NoneType: None"),
        (f'{to_json(example_job())[:-1]},"id":"b"}}', "the key 'id' occurs twice: "),
        (
            to_json(example_job()).replace('"metadata":{', '"metadata":{"a":"1","a":"1"'),
            "the key 'a' occurs twice: ",
        ),
    ],
    ids=lambda text: text[:20],
)
def test_a_text_that_is_refused_is_shown_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^not a document of a job: .*{reason}"):
        from_json(text)


@pytest.mark.parametrize("name", ["start", "end", "created_at", "started_at", "finished_at"])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2024-03-01T00:00:00.123456789+00:00", "whole microsecond: '2024-"),
        ("2024-03-01T00:00:00,1234560001Z", "whole microsecond: '2024-"),
        ("20240301T000000.0000001+00", "whole microsecond: '2024"),
        ("2024-03-01T000000.00000001+00:00", "whole microsecond: '2024-"),
        ("2024-03-01T00:00:00+00:00:00.0000001", "whole microsecond: '2024-"),
        ("yesterday", "Invalid isoformat string: 'yesterday'"),
        (5, "argument must be str"),
    ],
)
def test_an_instant_that_no_datetime_holds_is_refused_by_its_field(
    name: str, text: object, reason: str
) -> None:
    document = to_document(example_job()) | {name: text}
    with pytest.raises(ValueError, match=f"^not a document of a job: {name} cannot be .*{reason}"):
        from_document(document)


def test_an_instant_may_be_written_with_more_digits_than_it_needs() -> None:
    document = to_document(example_job()) | {"created_at": "2024-03-01T00:00:00.000000000+00:00"}
    assert from_document(document) == example_job()


def test_a_status_that_is_none_is_refused_by_its_field() -> None:
    with pytest.raises(ValueError, match="job: status cannot be read: 'lost' is not a valid"):
        from_document(to_document(example_job()) | {"status": "lost"})


class Deceptive(dict[str, Any]):
    """A dict that says of itself that it is another."""

    def keys(self) -> Any:
        return ["strange"]

    def __iter__(self) -> Any:
        return iter(["strange"])


class Unreadable(Mapping[str, Any]):
    """A mapping that cannot be read."""

    def __getitem__(self, key: str) -> Any:
        raise ZeroDivisionError

    def __iter__(self) -> Iterator[str]:
        return iter(["id"])

    def __len__(self) -> int:
        return 1


def test_a_subclass_of_dict_is_read_as_the_dict_that_it_is() -> None:
    assert from_document(Deceptive(to_document(example_job()))) == example_job()


def test_a_mapping_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="job: a document must be a mapping that can be read"):
        from_document(Unreadable())


# Versions


def test_the_table_of_fields_is_that_of_the_entity() -> None:
    assert [field.name for field in FIELDS] == [field.name for field in fields_of(CollectionJob)]


def test_there_is_a_document_of_each_version() -> None:
    """If this fails, a field is new: keep a document of its version."""
    assert sorted(int(path.stem) for path in FORMER.glob("*.json")) == [*range(1, VERSION + 1)]


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_a_document_of_each_version_is_read_with_all_that_it_says(version: int) -> None:
    job = from_json((FORMER / f"{version}.json").read_bytes())
    assert job == CollectionJob(
        id="a\u00e1 \U0001f600",
        source="binance",
        symbols=("BTC/USDT", "ETH", "it's"),
        timeframe="1h",
        start=datetime(1, 1, 1, tzinfo=UTC),
        end=datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        created_at=datetime(2024, 3, 1, 12, 0, 0, 1, tzinfo=UTC),
        status=JobStatus.FAILED,
        started_at=datetime(1969, 12, 31, tzinfo=UTC),
        finished_at=datetime(2024, 3, 2, tzinfo=UTC),
        error_message="two\nlines",
        completed_symbols={"BTC/USDT": 2**63 - 1},
        failed_symbols={"ETH": ""},
        metadata={"ticket": "T-1", "Ticket ": ""} if version >= 2 else {},
        permanent_failures=frozenset({"ETH"} if version >= 3 else ()),
        failure_counts={"BTC/USDT": 1, "ETH": 2**63 - 1} if version >= 3 else {},
        cursors={
            "ETH": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            "it's": datetime(1, 1, 1, tzinfo=UTC),
        }
        if version >= 3
        else {},
    )
    assert job.revision == 7


@pytest.mark.parametrize("field", [field for field in FIELDS if field.since > 1])
def test_a_document_that_is_older_than_a_field_has_its_default(field: Any) -> None:
    document = to_document(example_job())
    del document[field.name]
    document["version"] = field.since - 1
    assert from_document(document) == example_job()


@pytest.mark.parametrize("field", FIELDS)
def test_a_document_that_lacks_a_field_of_its_version_is_refused_by_its_name(field: Any) -> None:
    document = to_document(example_job())
    del document[field.name]
    with pytest.raises(ValueError, match=f"it lacks the field '{field.name}': "):
        from_document(document)


@pytest.mark.parametrize("version", [1, VERSION, VERSION + 1, "strange"])
def test_a_field_that_this_release_does_not_know_is_refused_by_its_name(version: Any) -> None:
    document = to_document(example_job()) | {"priority": None, "version": version}
    with pytest.raises(ValueError, match="this release does not know the field 'priority': "):
        from_document(document)


@pytest.mark.parametrize("version", [0, VERSION + 1, -1, True, None, "2", 2.0])
def test_a_version_that_this_release_does_not_know_is_refused(version: Any) -> None:
    document = to_document(example_job()) | {"version": version}
    with pytest.raises(ValueError, match=f"its version must be 1 to {VERSION}, not {version!r}"):
        from_document(document)
