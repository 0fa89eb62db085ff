import datetime
import itertools
import time

import pytest
from aurorascope.config import from_mapping
from aurorascope.config.calendar import (
    Snapshot,
    day_hours,
    iso,
    parse,
    snapshots,
    split_dates,
    split_days,
    state_times,
)
from aurorascope.config.resolve import resolve
from aurorascope.errors import UserError
from hypothesis import given
from hypothesis import strategies as st

from tests.config.raw import put, typed


@pytest.fixture
def june_raw(demo_raw):
    """The demo on 16 dates of June and four held-out ones, at 12 UTC."""
    demo_raw["cams"] |= {
        "train": {"start": "2022-06-01", "end": "2022-06-16"}, "held_out": {"start": "2022-06-25", "end": "2022-06-28"},
        "init_hours": [12],
    }
    return demo_raw


def test_the_published_year(year_raw):
    """The overlay asks for 365 training and 20 held-out snapshots on 385 days, 144 h apart or more."""
    mapping, warnings = resolve(year_raw)
    config = from_mapping(mapping)
    assert warnings == []
    assert config.cams.gap_hours == 144
    assert len(snapshots(config.cams, "train")) == 365
    assert len(snapshots(config.cams, "held_out")) == 20
    assert snapshots(config.cams, "train")[0] == Snapshot("2022-06-01T12:00:00Z", "2022-06-01T00:00:00Z")
    assert len(day_hours(config.cams)) == 385
    assert set(map(tuple, day_hours(config.cams).values())) == {(0, 12)}
    first, last = state_times(config.cams, "held_out")[0], state_times(config.cams, "train")[-1]
    assert (parse(first) - parse(last)).total_seconds() / 3600 == 156
    assert (config.aurora.checkpoint, config.aurora.embed_dim, config.static.source) == ("official", 512, "official")
    assert (config.sae.epochs, config.sae.l1_coeff, config.sae.lr) == (3, 3e-4, 4e-4)


def test_few_held_out_snapshots_are_warned_of(june_raw):
    """Fewer than 20 held-out snapshots is a warning."""
    (warning,) = resolve(june_raw)[1]
    assert warning.startswith("Only 4 held-out snapshots")


def test_the_demo_has_dates_of_its_own(demo_raw):
    """Where nothing is said of a split: short runs over the year, no warning, all states of a split far from the other's."""
    mapping, warnings = resolve(demo_raw)
    config = from_mapping(mapping)
    assert warnings == []
    for split, n_dates, n_runs in (("train", 32, 8), ("held_out", 10, 5)):
        dates = [datetime.date.fromisoformat(date) for date in split_dates(getattr(config.cams, split), split)]
        assert len(dates) == n_dates
        assert len(snapshots(config.cams, split)) == 2 * n_dates
        assert 1 + sum(b - a > datetime.timedelta(days=1) for a, b in itertools.pairwise(dates)) == n_runs
        assert {date.month for date in dates} >= {2, 6, 10}


@pytest.mark.parametrize("source", ["local", "ads"])
def test_data_of_others_has_no_dates_of_its_own(demo_raw, source):
    """Whose data it is must say which dates."""
    demo_raw["cams"] |= {"source": source, "directory": "days"}
    demo_raw["static"] = {"source": "official"}
    with pytest.raises(UserError, match="config key cams.train: expected dates, or start and end"):
        resolve(demo_raw)


def test_one_split_may_keep_the_demos_dates(demo_raw):
    """An overlay that names the dates of one split leaves the other as it is."""
    kept = resolve(demo_raw)[0]["cams"]["held_out"]
    mapping, _ = resolve(put(demo_raw, "cams.train", {"start": "2022-06-01", "end": "2022-06-04"}))
    assert mapping["cams"]["held_out"] == kept
    assert len(snapshots(from_mapping(mapping).cams, "train")) == 8


def test_twenty_held_out_snapshots_are_enough(june_raw):
    """At 20 there is no warning."""
    put(june_raw, "cams.held_out", {"start": "2022-07-01", "end": "2022-07-20"})
    assert resolve(june_raw)[1] == []


def test_splits_that_share_a_state_are_refused(june_raw):
    """Even with no gap asked for, no state may serve both splits."""
    put(june_raw, "cams.gap_hours", 0)
    put(june_raw, "cams.held_out", {"dates": ["2022-06-16"]})
    with pytest.raises(UserError, match=r"config key cams\.held_out: .*0 h from training state 2022-06-16T00:00:00Z"):
        resolve(june_raw)


@given(st.sets(st.integers(1, 28), min_size=1), st.sets(st.integers(1, 28), min_size=1), st.integers(1, 28),
       st.sets(st.sampled_from([0, 12]), min_size=1))
def test_a_training_date_is_never_held_out(june_raw, train, held_out, both, hours):
    """Whatever the other dates and hours, one date in both splits is refused, without any gap asked for."""
    dates = {name: [f"2022-06-{day:02d}" for day in sorted({*days, both})]
             for name, days in (("train", train), ("held_out", held_out))}
    for name, found in dates.items():
        put(june_raw, f"cams.{name}", {"dates": found})
    put(june_raw, "cams.init_hours", sorted(hours))
    with pytest.raises(UserError, match=r"config key cams\.held_out: .* 0 h from training state"):
        resolve(put(june_raw, "cams.gap_hours", 0))


def test_splits_that_share_only_a_previous_state_are_refused(june_raw):
    """A held-out snapshot at 00 h uses the state at 12 h of the day before, which training may have."""
    put(june_raw, "cams", {"train": {"dates": ["2022-06-16"]}, "held_out": {"dates": ["2022-06-17"]}})
    assert resolve(june_raw)
    put(june_raw, "cams.init_hours", [0, 12])
    with pytest.raises(UserError, match=r"2022-06-16T12:00:00Z 0 h from training state 2022-06-16T12:00:00Z"):
        resolve(june_raw)


def test_splits_nearer_than_the_gap_are_refused(june_raw):
    """The distance is that between states: the last of 10 June is at 12 h, the first of 12 June at 00 h."""
    put(june_raw, "cams", {"train": {"dates": ["2022-06-10"]}, "held_out": {"dates": ["2022-06-12"]}})
    resolve(put(june_raw, "cams.gap_hours", 36))
    with pytest.raises(UserError, match="expected states at least 37 h from every training state"):
        resolve(put(june_raw, "cams.gap_hours", 37))


def test_gap_counts_in_both_directions(june_raw):
    """Held-out dates before the training dates keep the same distance."""
    put(june_raw, "cams", {"train": {"dates": ["2022-06-12"]}, "held_out": {"dates": ["2022-06-10"]}})
    resolve(put(june_raw, "cams.gap_hours", 36))
    with pytest.raises(UserError, match="36 h from training state"):
        resolve(put(june_raw, "cams.gap_hours", 37))


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_a_split_without_snapshots_is_refused(june_raw, split):
    """No snapshot in a split is an error, whether none was asked for or all are missing."""
    with pytest.raises(UserError, match=f"config key cams.{split}: expected at least one snapshot"):
        resolve(put(june_raw, f"cams.{split}", {"dates": []}))
    put(june_raw, f"cams.{split}", {"dates": ["2022-08-01"]})
    with pytest.raises(UserError, match=f"config key cams.{split}: expected at least one snapshot"):
        resolve(put(june_raw, "cams.missing_dates", ["2022-08-01"]))


@pytest.mark.parametrize("split", [{"start": "2022-06-01"}, {"end": "2022-06-01"}])
def test_a_split_needs_dates_or_both_ends(june_raw, split):
    """Half a range is refused by name."""
    with pytest.raises(UserError, match="config key cams.train: expected dates, or start and end"):
        resolve(put(june_raw, "cams.train", split))


def test_a_range_that_ends_before_it_starts_is_refused(june_raw):
    """So is a range the wrong way round."""
    with pytest.raises(UserError, match=r"config key cams\.train\.end: .*swap start and end"):
        resolve(put(june_raw, "cams.train", {"start": "2022-06-02", "end": "2022-06-01"}))


def test_missing_dates_drop_the_snapshots_that_touch_them(june_raw):
    """A missing date takes its snapshots along, with a count in the warnings, and is not asked for."""
    put(june_raw, "cams.missing_dates", ["2022-06-03", "2030-01-01"])
    mapping, warnings = resolve(june_raw)
    config = from_mapping(mapping)
    assert warnings[0] == "1 of 16 train snapshots touch a missing date and are dropped."
    assert len(snapshots(config.cams, "train")) == 15
    assert "2022-06-03" not in day_hours(config.cams)


def test_missing_dates_reach_the_snapshot_after_them(june_raw):
    """At 00 h, a missing date also takes the snapshot of the next day."""
    put(put(june_raw, "cams.init_hours", [0]), "cams.missing_dates", ["2022-06-03"])
    mapping, warnings = resolve(june_raw)
    times = [s.time for s in snapshots(from_mapping(mapping).cams, "train")]
    assert warnings[0].startswith("2 of 16 train")
    assert not {"2022-06-03T00:00:00Z", "2022-06-04T00:00:00Z"} & set(times)


def test_snapshots_at_midnight_need_the_previous_day(june_raw):
    """A snapshot at 00 h uses 12 h of the day before, so that day must be there, with that hour alone."""
    cams = typed(put(june_raw, "cams.init_hours", [0])).cams
    assert snapshots(cams, "train")[0] == Snapshot("2022-06-01T00:00:00Z", "2022-05-31T12:00:00Z")
    assert day_hours(cams)["2022-05-31"] == [12]
    assert day_hours(cams)["2022-06-01"] == [0, 12]
    assert day_hours(cams)["2022-06-16"] == [0]
    assert split_days(cams, "train")[0] == "2022-05-31"


def test_both_hours_give_two_snapshots_a_day(june_raw):
    """Snapshots come in time order, and neighbours share a state."""
    cams = typed(put(june_raw, "cams.init_hours", [12, 0])).cams
    found = snapshots(cams, "train")
    assert [s.time for s in found] == sorted(s.time for s in found)
    assert len(found) == 32
    assert len(state_times(cams, "train")) == 33


def test_dates_beat_start_and_end(june_raw):
    """Explicit dates win over a range, in any order, each once."""
    june_raw["cams"]["train"]["dates"] = ["2022-06-05", "2022-06-02", "2022-06-05"]
    assert split_dates(typed(june_raw).cams.train, "cams.train") == ["2022-06-02", "2022-06-05"]


@given(st.datetimes(datetime.datetime(1990, 1, 1), datetime.datetime(2090, 1, 1)))
def test_times_survive_their_text(moment):
    """ISO text is read back as the same aware UTC moment, whatever the host's zone."""
    moment = moment.replace(microsecond=0, tzinfo=datetime.UTC)
    assert parse(iso(moment)) == moment
    assert parse(iso(moment)).tzinfo is datetime.UTC


def test_calendar_does_not_depend_on_the_zone(june_raw, monkeypatch):
    """Two zones give the same snapshots."""
    found = []
    for zone in ("Pacific/Auckland", "America/Anchorage"):
        with monkeypatch.context() as patch:
            patch.setenv("TZ", zone)
            time.tzset()
            snapshots.cache_clear()
            cams = typed(june_raw).cams
            found.append([(s, parse(s.time).timestamp()) for s in snapshots(cams, "train")])
    time.tzset()
    assert found[0] == found[1]
