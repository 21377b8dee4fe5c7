"""Splits: official ones kept, cut ones without leaks, whatever the set."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import cv2
import numpy as np
import pytest

from tests.training.fake_set import luggage
from training.datasets import fingerprint as fingerprints
from training.datasets.fingerprint import Fingerprint, fingerprint, fingerprint_from_text, similar_pairs
from training.datasets.splits import Candidate, leaks, plan_splits, usual_split


def scans(count: int, *, groups: int, split: str = "", source: str = "a", seed: int = 0) -> list[Candidate]:
    chance = random.Random(seed)
    return [
        Candidate(
            f"{source}/{number}",
            source,
            split,
            f"bag {chance.randrange(groups)}",
            (chance.choice(("gun", "knife", "clean", "clean")),),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_what_is_cut_never_leaks(seed: int) -> None:
    chance = random.Random(seed)
    candidates = scans(chance.randrange(1, 300), groups=chance.randrange(1, 90), seed=seed)
    candidates += scans(chance.randrange(1, 200), groups=60, split="train", source="b", seed=seed)
    pairs = [(chance.randrange(len(candidates)), chance.randrange(len(candidates))) for _ in range(40)]
    plan = plan_splits(candidates, pairs, share=0.2, seed=seed)
    assert leaks(plan.splits, plan.clusters) == {}
    assert all(plan.splits), "nothing is left out where no official splits are torn"
    for one, other in pairs:
        assert plan.clusters[one] == plan.clusters[other]
    assert {split for candidate, split in zip(candidates, plan.splits, strict=True) if candidate.split} <= {
        "train",
        "val",
    }


@pytest.mark.parametrize("seed", range(10))
def test_a_scan_without_a_split_never_leaks_against_official_ones(seed: int) -> None:
    chance = random.Random(seed)
    official = [
        Candidate(f"b/{number}", "b", chance.choice(("train", "val", "test")), f"{number}") for number in range(60)
    ]
    candidates = official + scans(120, groups=40, seed=seed)
    pairs = [(chance.randrange(60), chance.randrange(60, 180)) for _ in range(50)]
    plan = plan_splits(candidates, pairs, share=0.15, seed=seed)
    torn = leaks(plan.splits, plan.clusters)
    for candidate, split, cluster in zip(candidates, plan.splits, plan.clusters, strict=True):
        assert split == candidate.split or not candidate.split, "official splits stay"
        if split and not candidate.split:
            assert cluster not in torn
    assert len(plan.findings) == len(torn)


def test_order_of_the_scans_changes_nothing_and_the_seed_does() -> None:
    candidates = scans(200, groups=80)
    there = plan_splits(candidates, [], share=0.2, seed=1)
    back = plan_splits(candidates[::-1], [], share=0.2, seed=1)
    assert there.splits == back.splits[::-1] and there.clusters == back.clusters[::-1]
    assert there.splits != plan_splits(candidates, [], share=0.2, seed=2).splits


def test_shares_are_kept_for_rare_classes_too() -> None:
    candidates = [
        Candidate(f"{number}", "a", "", f"{number}", ("rare",) if number % 25 == 0 else ("common",))
        for number in range(1000)
    ]
    plan = plan_splits(candidates, [], share=0.1, seed=0)
    counts = Counter(zip(plan.splits, (candidate.strata[0] for candidate in candidates), strict=True))
    assert counts["val", "rare"] == counts["test", "rare"] == 4
    assert counts["val", "common"] == counts["test", "common"] == 96


def test_val_is_cut_out_of_train_only_where_there_is_none() -> None:
    without = scans(100, groups=100, split="train", source="a") + scans(10, groups=9, split="test", source="a")
    plan = plan_splits(without, [], share=0.1, seed=0)
    assert Counter(plan.splits[:100])["val"] == pytest.approx(10, abs=2)
    assert set(plan.splits[100:]) == {"test"}
    with_val = [*without, Candidate("a/own", "a", "val", "own")]
    assert Counter(plan_splits(with_val, [], share=0.1, seed=0).splits)["val"] == 1
    assert Counter(plan_splits(without, [], share=0.0, seed=0).splits)["val"] == 0


def test_an_official_val_or_test_takes_no_scan_that_is_in_no_list() -> None:
    unlisted = scans(60, groups=60)
    for official, expected in {
        "test": {"train", "val"},
        "val": {"train", "test"},
        "train": {"train", "val", "test"},
    }.items():
        listed = Candidate("a/listed", "a", official, "listed")
        plan = plan_splits([*unlisted, listed], [], share=0.2, seed=0)
        assert set(plan.splits[:60]) == expected, official
    both = [Candidate(f"a/{split}", "a", split, split) for split in ("train", "val", "test")]
    assert set(plan_splits([*unlisted, *both], [], share=0.2, seed=0).splits[:60]) == {"train"}


def test_an_unlisted_scan_like_an_official_test_scan_is_left_out_and_reported() -> None:
    candidates = [Candidate("a/1", "a", "test", "1"), Candidate("a/2", "a", "", "2"), Candidate("a/3", "a", "", "3")]
    plan = plan_splits(candidates, [(0, 1)], share=0.1, seed=0)
    assert plan.splits == ("test", "", "train")
    assert [finding.kind for finding in plan.findings] == ["scan like an official one"]


def test_a_train_scan_like_a_test_scan_stays_and_is_reported() -> None:
    candidates = [
        Candidate("a/1", "a", "train", "1"),
        Candidate("a/2", "a", "test", "2"),
        Candidate("b/3", "b", "", "3"),
    ]
    plan = plan_splits(candidates, [(0, 1), (1, 2)], share=0.5, seed=0)
    assert plan.splits == ("train", "test", "")
    assert "1 in test, 1 in train" in plan.findings[0].message and "1 without a split" in plan.findings[0].message


def test_a_train_scan_like_a_test_scan_of_another_set_is_left_out() -> None:
    candidates = [
        Candidate("a/1", "a", "train", "1"),
        Candidate("a/2", "a", "val", "2"),
        Candidate("b/3", "b", "test", "3"),
        Candidate("b/4", "b", "train", "4"),
        Candidate("b/5", "b", "train", "4"),
        Candidate("b/6", "b", "train", "6"),
    ]
    plan = plan_splits(candidates, [(2, 0)], share=0.0, seed=0)
    assert plan.splits == ("", "val", "test", "train", "train", "train")
    (told,) = plan.findings
    assert told.kind == "leak between sets" and told.message.endswith(
        "1 in test; 1 in train of another set are left out"
    )
    assert leaks(plan.splits, plan.clusters) == {}
    # b's own leak stays as its authors made it; a's scan goes all the same.
    torn = plan_splits(candidates, [(2, 0), (2, 3)], share=0.0, seed=0)
    assert torn.splits == ("", "val", "test", "train", "train", "train")
    assert torn.findings[0].kind == "leak between official splits" and "1 in train of another set" in (
        torn.findings[0].message
    )


@pytest.mark.parametrize(("other", "kept"), [("test", ""), ("val", ""), ("extra", "train")])
def test_val_and_test_alone_hold_back_and_the_whole_bag(other: str, kept: str) -> None:
    candidates = [
        Candidate("a/1", "a", "train", "bag"),
        Candidate("a/2", "a", "train", "bag"),
        Candidate("b/3", "b", other, "3"),
    ]
    assert plan_splits(candidates, [(0, 2)], share=0.0, seed=0).splits == (kept, kept, other)


def test_sets_that_were_joined_before_are_still_several() -> None:
    joined = [Candidate("d/1", "d", "train", "1", origin="a"), Candidate("d/2", "d", "test", "2", origin="b")]
    assert plan_splits(joined, [(0, 1)], share=0.0, seed=0).splits == ("", "test")
    one = [Candidate("d/1", "d", "train", "1", origin="a"), Candidate("d/2", "d", "test", "2", origin="a")]
    assert plan_splits(one, [(0, 1)], share=0.0, seed=0).splits == ("train", "test")


@pytest.mark.parametrize(
    ("name", "split"),
    [("trainval", "train"), ("Valid", "val"), ("hidden", "test"), ("odd", "odd"), ("default", "")],
)
def test_usual_names(name: str, split: str) -> None:
    assert usual_split(name) == split


def test_scaled_and_recompressed_scans_are_found_and_others_are_not() -> None:
    images = [luggage(seed, 320, 240) for seed in range(60)]
    smaller = cv2.resize(images[7], (256, 192), interpolation=cv2.INTER_AREA)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", images[11], [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)
    deeper = images[13].astype(np.uint16) * 257
    prints = [fingerprint(image) for image in [*images, smaller, jpeg, deeper]]
    assert similar_pairs(prints) == [(7, 60), (11, 61), (13, 62)]


def joined(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Of each of `count` scans the first that it is joined with."""
    first = list(range(count))
    for one, other in pairs:
        lower, higher = sorted((first[one], first[other]))
        first = [lower if each == higher else each for each in first]
    return first


def test_pairs_join_what_a_plain_comparison_joins(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(3)
    prints = [Fingerprint(chance.getrandbits(64), bytes([chance.randrange(4)]) * 256) for _ in range(80)]
    for _ in range(200):
        near = chance.choice(prints)
        bits = near.bits
        for _ in range(chance.randrange(7)):
            bits ^= 1 << chance.randrange(64)
        prints.append(Fingerprint(bits, bytes([chance.randrange(4)]) * 256))
    prints = list(dict.fromkeys(prints))
    expected = {
        (one, other)
        for one in range(len(prints))
        for other in range(one + 1, len(prints))
        if (prints[one].bits ^ prints[other].bits).bit_count() <= fingerprints.MOST_BITS
        and abs(prints[one].small[0] - prints[other].small[0]) <= fingerprints.MOST_DIFFERENCE
    }
    assert len(expected) > 50
    for chunk in (fingerprints._CHUNK, 7):
        monkeypatch.setattr(fingerprints, "_CHUNK", chunk)
        found = similar_pairs(prints)
        assert set(found) <= expected and found == sorted(found)
        assert joined(len(prints), found) == joined(len(prints), expected)


def test_thousands_of_scans_of_one_empty_belt_are_joined_without_comparing_all_pairs() -> None:
    random_ = np.random.default_rng(4)
    belt = luggage(2, 96, 64).astype(np.float64)
    noisy = (belt + random_.normal(0, 4, belt.shape) for _ in range(2500))
    prints = [fingerprint(np.clip(each, 0, 255).astype(np.uint8)) for each in noisy]
    assert len(set(prints)) == 2500
    assert len(similar_pairs(prints)) == 2499


def test_equal_scans_are_paired_with_the_first_alone() -> None:
    same = fingerprint(luggage(1))
    assert similar_pairs([same] * 5) == [(0, 1), (0, 2), (0, 3), (0, 4)]
    assert similar_pairs([same]) == similar_pairs([]) == []


def test_fingerprints_come_back_from_text() -> None:
    found = fingerprint(luggage(5))
    assert fingerprint_from_text(found.text()) == found
    with pytest.raises(ValueError, match="no fingerprint"):
        fingerprint_from_text(found.text()[:-1])
