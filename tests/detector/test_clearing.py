"""What keeps a scan from being CLEAR whatever the network says, told once and in words that agree with the policy."""

from __future__ import annotations

import pytest

from detector.doubts import Clearing, known_palettes, opaque_doubt, opaque_note
from detector.errors import SettingsInvalid
from detector.normalisation.standardise import StandardScan
from detector.scan import Scan
from detector.settings import Policy
from tests.conftest import make_spec, picture


def findings(opaque: float, **policy: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of a scan of which nothing is odd but how much of it is opaque."""
    image = picture(200, 200)
    seen = StandardScan(Scan((image,), "bag.png", "0" * 64), (image,), "stored", opaque, (), ("a note",))
    return Clearing("probe", make_spec(), Policy.model_validate(policy), (), None).findings(seen, (), None)


def test_opacity_within_the_policy_is_no_doubt() -> None:
    assert opaque_doubt(0.1, 0.1) == "" and opaque_doubt(0.0, 0.0) == "" and opaque_doubt(0.001, 0.0) != ""
    assert opaque_note(0.009) == ""


def test_the_opaque_share_is_told_once_as_a_doubt_or_as_a_note() -> None:
    doubts, notes = findings(0.12)
    assert doubts == ("opaque: 12% of the cargo area, the policy allows 10%",) and notes == ("a note",)
    doubts, notes = findings(0.12, refer_opaque_share=0.5)
    assert doubts == () and notes == ("opaque: 12% of the cargo area", "a note")
    assert findings(0.0) == ((), ("a note",))


def test_an_alarm_score_that_no_scan_decided_clears_nothing_until_a_policy_gives_one() -> None:
    image = picture(200, 200)
    seen = StandardScan(Scan((image,), "bag.png", "0" * 64), (image,), "stored", 0.0, (), ())
    spec = make_spec(unchosen=("knife",))
    doubts, _ = Clearing("probe", spec, Policy(), (), None).findings(seen, (), None)
    assert doubts == ("no scan decided the alarm score of knife: nothing is cleared until a policy gives one",)
    assert Clearing("probe", spec, Policy(alarm={"knife": 0.2}), (), None).findings(seen, (), None) == ((), ())


def test_a_limit_of_colours_means_nothing_with_weights_that_know_none() -> None:
    with pytest.raises(SettingsInvalid, match="the weights probe do not say which colours they know"):
        known_palettes(make_spec(), Policy(refer_unknown_colours_share=0.5))
    assert known_palettes(make_spec(), Policy(refer_unknown_colours_share=1.0)) == ()
