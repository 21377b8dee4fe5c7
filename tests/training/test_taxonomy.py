"""Labels of many sets on one list of classes: what counts as looked for, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.errors import SettingsInvalid
from training.datasets.taxonomy import (
    Coverage,
    LabelMap,
    chosen_classes,
    fold,
    load_taxonomy,
    map_labels,
    unknown_label,
)

SHIPPED = (
    *("gun", "knife", "scissors", "wrench", "lighter", "powerbank", "pressure_can", "lighter_fluid", "handcuffs"),
    *("slingshot", "fireworks"),
)
TAXONOMY = load_taxonomy()


def mapped(source: str, *labels: str) -> LabelMap:
    return map_labels(TAXONOMY, source, labels)


def own(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(text)
    return path


def test_classes_of_shipped_weights_come_first_and_in_their_order() -> None:
    assert tuple(TAXONOMY.classes)[: len(SHIPPED)] == SHIPPED


def test_every_rule_names_a_class_that_exists() -> None:
    tables = [TAXONOMY.labels, *TAXONOMY.sources.values()]
    rules = [rule for table in tables for rule in table.values()]
    assert {name for rule in rules for name in (rule.class_name, *rule.may_be)} <= {*TAXONOMY.classes, "", "*"}


@pytest.mark.parametrize(
    ("source", "label", "name"),
    [
        ("opixray", "Multi-tool_Knife", "knife"),
        ("opixray", "Scissor", "scissors"),
        ("pidray", "HandCuffs", "handcuffs"),
        ("pidray-v2", "Sprayer", "pressure_can"),
        ("hixray", "Portable_Charger_2", "powerbank"),
        ("clcxray", "SwissArmyKnife", "knife"),
        ("eds", "smallelectronicequipmen", "small_electronics"),
        ("xray-fsod", "multi-tool_knife", "knife"),
        ("dvxray", "Pressure_vessel", "pressure_can"),
        ("ldxray", "Charger_With_Cell", "powerbank"),
        ("ldxray", "Charger_Without_Cell", "charger"),
        ("stcray", "3D Gun", "gun"),
        ("stcray", "Multilabel Threat", ""),
        ("gdxray", "handgun", "gun"),
        ("molit", "Knife-A", "knife"),
        ("is2ai", "tires", ""),
        ("of my own", "SCREW-driver", ""),
    ],
)
def test_labels_of_the_public_sets(source: str, label: str, name: str) -> None:
    assert mapped(source, label).class_of(label) == name


def test_spelling_makes_no_difference() -> None:
    assert fold("  Saw_Blade ") == fold("saw-blade") == fold("SAW  blade")
    assert mapped("anything", "Razor-Blade").class_of("Razor-Blade") == "razor_blade"


def test_a_class_of_several_labels_is_looked_for_only_with_all_of_them() -> None:
    labels = mapped("hixray", "Portable_Charger_1", "Portable_Charger_2", "Laptop")
    assert "powerbank" in labels.coverage(None, ()).looked_for
    some = labels.coverage({"Portable_Charger_1", "Laptop"}, ())
    assert some == Coverage(frozenset({"laptop"}), frozenset({"powerbank"}))


def test_a_class_that_is_marked_in_part_is_not_background() -> None:
    labels = mapped("hixray", "Nonmetallic_Lighter", "Laptop")
    assert labels.class_of("Nonmetallic_Lighter") == "lighter"
    coverage = labels.coverage(None, ())
    part = {"lighter": frozenset({"nonmetallic"})}
    assert coverage == Coverage(frozenset({"laptop"}), frozenset({"lighter"}), part)
    assert coverage.with_whole({"lighter", "gun"}).looked_for == {"laptop", "lighter"}
    assert labels.coverage(None, {"Nonmetallic_Lighter"}).part == {}


def test_sets_that_mark_the_same_part_of_a_class_say_so_by_its_name() -> None:
    def part(source: str, label: str) -> object:
        return mapped(source, label).coverage(None, ()).part

    assert part("hixray", "Nonmetallic_Lighter") == part("ldxray", "NL") == {"lighter": frozenset({"nonmetallic"})}
    aerosol = {"pressure_can": frozenset({"aerosol"})}
    assert part("pidray", "Sprayer") == part("pidray-v2", "Sprayer") == part("clcxray", "SprayCans") == aerosol
    assert part("xray-fsod", "pressure_tank") == {"pressure_can": frozenset({""})}, "a part without a name"


def test_an_item_without_a_box_takes_its_class_from_what_was_looked_for() -> None:
    labels = mapped("sixray", "Gun", "Knife")
    assert labels.coverage(None, {"Gun"}).looked_for == {"knife"}


def test_a_box_that_may_hide_anything_takes_all() -> None:
    labels = mapped("stcray", "Gun", "Knife", "Multilabel Threat")
    assert labels.coverage(None, (), {"Gun"}).looked_for == {"gun", "knife"}
    assert labels.coverage(None, (), {"Multilabel Threat"}).looked_for == frozenset()


def test_a_box_that_may_hide_some_takes_these() -> None:
    labels = mapped("stcray", "Gun", "Knife", "Other Sharp Item")
    assert labels.coverage(None, (), {"Other Sharp Item"}).looked_for == {"gun"}


def test_a_label_that_is_not_known_may_be_anything() -> None:
    labels = map_labels(TAXONOMY, "own", ("gun",), ("gizmo",))
    assert labels.unknown == ("gizmo",)
    assert labels.coverage(None, (), {"gizmo"}).looked_for == frozenset()


def test_an_unknown_label_is_said_with_the_nearest_name() -> None:
    line = unknown_label(TAXONOMY, "own", "Scisors")
    assert "'Scisors'" in line and "'scissors'" in line and "\n" not in line


def test_own_file_is_laid_over_the_shipped_one(tmp_path: Path) -> None:
    text = '[classes]\nnunchaku = "sticks"\n[labels]\nKnife = "nunchaku"\n[sources.opixray]\nScissor = ""\n'
    taxonomy = load_taxonomy(own(tmp_path, text))
    labels = map_labels(taxonomy, "opixray", ("Scissor", "Straight_Knife", "knife", "Nunchaku"))
    assert [labels.class_of(label) for label in labels.labels] == ["", "knife", "nunchaku", "nunchaku"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[labels]\ngizmo = "gunn"\n', "did you mean 'gun'"),
        ('[labels]\ngizmo = { class = "gun", partail = true }\n', "partail"),
        ('[classes]\n"Big Gun" = "x"\n', "Big Gun"),
        ("[labels\n", "not TOML"),
        ('[sources.own]\nx = { class = "", may_be = ["bazooka"] }\n', "bazooka"),
        ("[labels]\nx = 3\n", "labels"),
        ('[sources.own]\nblade = { clas = "knife" }\n', "'blade' in .sources.own. has no class"),
        ("sources = 3\n", "sources"),
        ("[sources]\nx = 3\n", "sources.x"),
    ],
)
def test_own_file_that_cannot_be_taken_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsInvalid, match=said) as refused:
        load_taxonomy(own(tmp_path, text))
    assert "\n" not in refused.value.reason()


def test_a_source_whose_name_holds_a_dot_is_put_in_quotes(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"'05_north' in \[sources.2024\] has no class") as refused:
        load_taxonomy(own(tmp_path, '[sources.2024.05_north]\nshiv = "knife"\n'))
    assert refused.value.remedy.endswith('put its name in quotes: [sources."2024.05_north"]')
    taxonomy = load_taxonomy(own(tmp_path, '[sources."2024.05_north"]\nshiv = "knife"\n'))
    assert map_labels(taxonomy, "2024.05_north", ("shiv",)).class_of("shiv") == "knife"


def test_chosen_classes_are_checked() -> None:
    assert chosen_classes(TAXONOMY, ("knife", " gun", "knife")) == ("knife", "gun")
    with pytest.raises(SettingsInvalid, match="did you mean 'scissors'"):
        chosen_classes(TAXONOMY, ("scisors",))
    with pytest.raises(SettingsInvalid, match="no class"):
        chosen_classes(TAXONOMY, (" ",))


def test_only_chosen_classes_are_mapped() -> None:
    labels = map_labels(TAXONOMY, "sixray", ("Gun", "Knife"), chosen=("gun",))
    assert (labels.class_of("Gun"), labels.class_of("Knife")) == ("gun", "")
    assert labels.coverage(None, ()).looked_for == {"gun"}
