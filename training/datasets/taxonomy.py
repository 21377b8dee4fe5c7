"""One taxonomy for all sets: superset classes by name, and which label of which source means which of them.

    taxonomy = load_taxonomy()
    mapped = map_labels(taxonomy, found.source, found.labels)
    mapped.class_of("Multi-tool_Knife")                    # "knife"
    mapped.coverage(None, frozenset()).looked_for          # the classes that a scan without boxes is clean of

The table is `taxonomy.toml`, which says what its keys mean. Two sets seldom mean the same by one word, and a class that
a source only marks in part must never be learnt as background there: that is what `partial` and `may_be` are for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from detector.errors import SettingsInvalid
from detector.toml_settings import nearest, read_toml, validated

TAXONOMY = Path(__file__).with_name("taxonomy.toml")
#: In a source's table: every label not named. In `may_be`: every class.
ANY = "*"
_CLASS_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


class LabelRule(BaseModel):
    """What one label means. See the head of taxonomy.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    class_name: str = Field(alias="class")
    partial: bool | str = False
    may_be: tuple[str, ...] = ()
    note: str = ""

    @property
    def part(self) -> str:
        """What the part is called; "" for one without a name."""
        return self.partial if isinstance(self.partial, str) else ""


class Taxonomy(BaseModel):
    """classes: name -> what it is, in the order of class ids. Labels and sources are
    keyed folded, as `fold` gives them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: dict[str, str] = {}
    labels: dict[str, LabelRule] = {}
    sources: dict[str, dict[str, LabelRule]] = {}

    @field_validator("labels", mode="before")
    @classmethod
    def _fold_labels(cls, value: object) -> object:
        return _folded(value)

    @field_validator("sources", mode="before")
    @classmethod
    def _fold_sources(cls, value: object) -> object:
        return {fold(name): _folded(rules) for name, rules in value.items()} if isinstance(value, dict) else value

    def rule(self, source: str, label: str) -> LabelRule | None:
        """What the label means in that source; None for a label that nothing is known of."""
        key, own = fold(label), self.sources.get(fold(source), {})
        found = own.get(key) or self.labels.get(key)
        if found is None and (name := key.replace(" ", "_")) in self.classes:
            found = LabelRule(class_name=name)
        return found or own.get(ANY)

    def over(self, other: Taxonomy) -> Taxonomy:
        """This taxonomy laid over another: what both say, this one decides."""
        sources = {
            name: {**other.sources.get(name, {}), **self.sources.get(name, {})}
            for name in {**other.sources, **self.sources}
        }
        return Taxonomy.model_construct(
            classes={**other.classes, **self.classes}, labels={**other.labels, **self.labels}, sources=sources
        )


@dataclass(frozen=True)
class Coverage:
    """looked_for: classes that a scan is clean of where it has no box of them. partial: classes of which only some are
    marked: boxes count, their absence means nothing. part: those of them of which the source marks a part by
    definition, and marks that part throughout; with the names of what it marks, "" for a part without one."""

    looked_for: frozenset[str]
    partial: frozenset[str]
    part: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def with_whole(self, names: AbstractSet[str]) -> Coverage:
        """With the part that the source marks of these classes for the whole of them; `partial` still tells it."""
        return replace(self, looked_for=self.looked_for | self.part.keys() & names)


#: Labels looked for (None for all), present without a box, boxed.
_Scan = tuple[frozenset[str] | None, frozenset[str], frozenset[str]]


@dataclass(frozen=True)
class LabelMap:
    """The labels of one source under a taxonomy.

    rules: by label as the source spells it. labels: those that the source looks for. chosen: classes that are wanted.
    unknown: labels without a rule.
    """

    rules: Mapping[str, LabelRule]
    labels: tuple[str, ...]
    chosen: frozenset[str]
    unknown: tuple[str, ...] = ()
    _known: dict[_Scan, Coverage] = field(default_factory=dict, init=False, repr=False, compare=False)

    def class_of(self, label: str) -> str:
        """The chosen class of a label; "" where it has none."""
        rule = self.rules.get(label)
        return rule.class_name if rule and rule.class_name in self.chosen else ""

    def coverage(
        self, looked_for: Collection[str] | None, present: Collection[str], boxed: Collection[str] = ()
    ) -> Coverage:
        """What one scan was looked through for.

        looked_for: labels, None for all of the source. present: labels known to be there without a box. boxed: labels
        of its boxes. A class counts as looked for when every label that makes it up was looked for, none of them is
        there unboxed, and no box may hide it.
        """
        looked = None if looked_for is None else frozenset(looked_for)
        key = looked, frozenset(present), frozenset(boxed)
        # A million scans, a handful of answers.
        if key not in self._known:
            self._known[key] = self._coverage(frozenset(self.labels) if looked is None else looked, key[1], key[2])
        return self._known[key]

    def _coverage(self, looked: frozenset[str], present: frozenset[str], boxed: frozenset[str]) -> Coverage:
        hidden = self._hidden(present, boxed)
        full: set[str] = set()
        part: dict[str, frozenset[str]] = {}
        partial = {self.class_of(label) for label in boxed} - {""}
        for name in self.chosen:
            parts = {label for label in self.labels if self.class_of(label) == name}
            whole = {label for label in parts if not self.rules[label].partial}
            if whole and whole <= looked and name not in hidden:
                full.add(name)
            elif parts & looked:
                partial.add(name)
                if not whole and parts <= looked and name not in hidden:
                    part[name] = frozenset(self.rules[label].part for label in parts)
        return Coverage(frozenset(full), frozenset(partial - full), part)

    def _hidden(self, present: frozenset[str], boxed: frozenset[str]) -> frozenset[str]:
        hidden = {self.class_of(label) for label in present}
        for label in present | boxed:
            rule = self.rules.get(label)
            # A label that nothing is known of may stand for anything.
            may_be = rule.may_be if rule else (ANY,)
            hidden |= self.chosen if ANY in may_be else set(may_be)
        return frozenset(hidden)


def fold(label: str) -> str:
    """A label without what spelling varies: case, spaces, hyphens, underscores."""
    return " ".join(re.split(r"[\s_\-]+", label.casefold())).strip()


def load_taxonomy(own: Path | None = None) -> Taxonomy:
    """The shipped taxonomy, with the user's own TOML file laid over it.

    Raises SettingsInvalid, in one line, for a file that cannot be taken: not TOML, unknown keys, a label of a class
    that does not exist.
    """
    shipped = validated(Taxonomy, read_toml(TAXONOMY), str(TAXONOMY))
    if own is None:
        return shipped
    values = read_toml(own)
    _refuse_split_names(values.get("sources"), own)
    merged = validated(Taxonomy, values, str(own)).over(shipped)
    _check_names(merged, own)
    return merged


def tables_of_no_set(own: Path, sources: Iterable[str]) -> tuple[str, ...]:
    """Names of the tables of sources in a user's own file, which `load_taxonomy` took, that none of these is called."""
    called = {fold(source) for source in sources}
    return tuple(name for name in read_toml(own).get("sources", {}) if fold(name) not in called)


def map_labels(
    taxonomy: Taxonomy,
    source: str,
    labels: Iterable[str],
    others: Iterable[str] = (),
    chosen: Collection[str] = (),
) -> LabelMap:
    """labels: what the source looks for. others: labels met beside them. chosen: classes wanted; empty for all."""
    looked_for = tuple(labels)
    every = dict.fromkeys((*looked_for, *others))
    rules = {label: rule for label in every if (rule := taxonomy.rule(source, label)) is not None}
    unknown = tuple(label for label in every if label not in rules)
    return LabelMap(rules, looked_for, frozenset(chosen or taxonomy.classes), unknown)


def unknown_label(taxonomy: Taxonomy, source: str, label: str) -> str:
    """One line on a label that the taxonomy does not know, with the names that come nearest."""
    return f"{source}: the taxonomy does not know the label {label!r}{nearest(label, known_names(taxonomy, source))}"


def known_names(taxonomy: Taxonomy, source: str) -> tuple[str, ...]:
    """Classes and labels that a label of the source may be meant to be."""
    own = (label for label in taxonomy.sources.get(fold(source), {}) if label != ANY)
    return tuple(dict.fromkeys((*taxonomy.classes, *taxonomy.labels, *own)))


def chosen_classes(taxonomy: Taxonomy, names: Iterable[str]) -> tuple[str, ...]:
    """`names` in their order, checked. Raises SettingsInvalid for one that is not in the taxonomy, or none at all."""
    chosen = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    if not chosen:
        raise SettingsInvalid("--classes names no class", remedy=f"the classes are: {', '.join(taxonomy.classes)}")
    for name in chosen:
        if name not in taxonomy.classes:
            raise SettingsInvalid(
                f"--classes: no class {name!r}{nearest(name, taxonomy.classes)}",
                remedy=f"the classes are: {', '.join(taxonomy.classes)}",
            )
    return chosen


def _folded(value: object) -> object:
    """Keys folded, and the short form "class" brought to the long one."""
    if not isinstance(value, dict):
        return value
    return {fold(str(key)): {"class": rule} if isinstance(rule, str) else rule for key, rule in value.items()}


def _refuse_split_names(sources: object, path: Path) -> None:
    """[sources.2024.05_north] is, for TOML, a table 05_north in a table 2024, which would be read as a label."""
    for name, rules in sources.items() if isinstance(sources, dict) else ():
        for label, rule in rules.items() if isinstance(rules, dict) else ():
            if isinstance(rule, dict) and not rule.keys() & {"class", "class_name"}:
                whole = f"{name}.{label}"
                raise SettingsInvalid(
                    f"{path}: {label!r} in [sources.{name}] has no class",
                    remedy=f'name its class; if {whole} is a set, put its name in quotes: [sources."{whole}"]',
                )


def _check_names(taxonomy: Taxonomy, path: Path) -> None:
    for name in taxonomy.classes:
        if not _CLASS_NAME.fullmatch(name):
            raise SettingsInvalid(f"{path}: the class {name!r} is not written in lower case with underscores")
    tables = {"labels": taxonomy.labels, **{f"sources.{name}": rules for name, rules in taxonomy.sources.items()}}
    for table, rules in tables.items():
        for label, rule in rules.items():
            for name in (rule.class_name, *rule.may_be):
                if name and name != ANY and name not in taxonomy.classes:
                    raise SettingsInvalid(
                        f"{path}: [{table}] {label!r} goes to the class {name!r}, which does not exist"
                        f"{nearest(name, taxonomy.classes)}",
                        remedy="add it under [classes], or correct the name",
                    )
