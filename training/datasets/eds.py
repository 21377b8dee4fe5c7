"""EDS: one set of items seen by three machines, for transfer between scanners (github.com/DIG-Beihang/PSN).

    <domain>/images/<stem>.jpg   <domain>/labels/<stem>.xml (Pascal VOC)   <domain>/val.txt (stems)

Every domain is used whole, to train on or to test on, so scans have no split; the domain is their scanner and subset.
Names are taken in lower case. The authors' list spells one class `smallelectronicequipmen`, cut off; other people's
lists write `device` and `plasticbottle`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from training.datasets.annotated_set import Adapter, Published, SourceBox, SourceScan, SourceSet
from training.datasets.findings import NothingToRead
from training.datasets.source_folder import SourceFolder, by_stem, first_bytes, first_files, stem_of, subfolders
from training.datasets.splits import TEST, TRAIN, VAL, usual_split
from training.datasets.text_boxes import read_stems
from training.datasets.voc_xml import MAX_XML_BYTES, parse_voc, read_voc

LABELS = (
    "drinkbottle",
    "pressure",
    "lighter",
    "knife",
    "smallelectronicequipment",
    "powerbank",
    "umbrella",
    "glassbottle",
    "scissor",
    "laptop",
)
#: Other spellings -> the class.
ALIASES = {
    "smallelectronicequipmen": "smallelectronicequipment",
    "device": "smallelectronicequipment",
    "plasticbottle": "drinkbottle",
    "scissors": "scissor",
}


def recognise(root: Path) -> bool:
    """Whether some folder has images and VOC labels that name one of the classes."""
    return any(_is_domain(root, name) for name in subfolders(root))


def read(root: Path) -> SourceSet:
    """All domains. Raises SettingsInvalid if there is none."""
    folder = SourceFolder(root)
    domains = [path for path in folder.folders() if any(True for _ in folder.files(f"{path}/labels", (".xml",)))]
    scans = [scan for domain in domains for scan in _read_domain(folder, domain)]
    if not scans:
        remedy = "give the folder that holds the domains, each with images/ and labels/"
        raise NothingToRead(f"no scans with annotations in {root}", folder.findings, remedy=remedy)
    return SourceSet("eds", root, LABELS, tuple(scans), tuple(folder.findings))


def class_of(name: str) -> str:
    """The class that a name means, in whatever case and under whatever alias; the lower-case name itself if none."""
    plain = name.strip().lower()
    return ALIASES.get(plain, plain)


def _is_domain(root: Path, name: str) -> bool:
    # Somebody's own train/images and train/labels are two splits of one scanner.
    if usual_split(name) in (TRAIN, VAL, TEST) or not (root / name / "images").is_dir():
        return False
    for path in first_files(root, f"{name}/labels", ".xml"):
        try:
            boxes = parse_voc(first_bytes(path, MAX_XML_BYTES)).boxes
        except ValueError:
            continue
        if boxes:
            return any(class_of(box.label) in LABELS for box in boxes)
    return False


def _read_domain(folder: SourceFolder, domain: str) -> list[SourceScan]:
    pictures = by_stem(folder, folder.pictures(f"{domain}/images"))
    annotations = {stem_of(path): path for path in folder.files(f"{domain}/labels", (".xml",))}
    for stem in sorted(pictures.keys() - annotations.keys()):
        folder.error(
            "missing annotation", pictures[stem], f"no {domain}/labels/{stem}.xml; the scan is left out", left_out=True
        )
    for stem in sorted(annotations.keys() - pictures.keys()):
        folder.error("missing file", annotations[stem], f"no picture of that name in {domain}/images", left_out=True)
    listed = set(read_stems(folder, f"{domain}/val.txt"))
    for stem in sorted(listed - annotations.keys()):
        folder.error("missing annotation", f"{domain}/val.txt", f"lists {stem}, which is not there")
    unlisted = sorted(annotations.keys() - listed) if listed else []
    folder.warning_together("not listed", unlisted, f"not in {domain}/val.txt, and read all the same")
    both = sorted(pictures.keys() & annotations.keys())
    scans = (_read_scan(folder, domain, pictures[stem], annotations[stem]) for stem in both)
    return [scan for scan in scans if scan is not None]


def _read_scan(folder: SourceFolder, domain: str, picture: str, annotation: str) -> SourceScan | None:
    found = read_voc(folder, annotation)
    if found is None:
        return None
    boxes = [_known(folder, box, annotation) for box in found.boxes]
    kept = tuple(box for box in boxes if box is not None)
    # What cannot be read or named may be of any class, also of one that has boxes.
    looked_for = frozenset[str]() if found.faults or None in boxes else None
    size = found.width, found.height
    return SourceScan(picture, "", kept, picture, *size, looked_for, subset=domain, scanner=domain)


def _known(folder: SourceFolder, box: SourceBox, annotation: str) -> SourceBox | None:
    label = class_of(box.label)
    if label in LABELS:
        return replace(box, label=label)
    folder.error("unknown class", annotation, f"{box.label} is none of the set's classes; the box is skipped")
    return None


ADAPTER = Adapter(
    title="EDS (Endogenous Domain Shift)",
    terms="academic use only, after a signed commitment",
    recognise=recognise,
    read=read,
    published={
        "": Published(14219),
        "domain1": Published(
            boxes=dict(zip(LABELS, (1178, 1060, 1000, 1000, 1768, 1056, 1315, 1189, 1000, 1086), strict=True))
        ),
    },
)
