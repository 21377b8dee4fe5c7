"""What `ablate` and `compare` keep beside a run: only the figures of the very files that the run was begun with count.

claim_files(folder, recipe, begun=kept.is_file() or holds_run(folder / "checkpoints"))
with understood(kept):
    figures = json.loads(kept.read_bytes())["figures"]
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detector.errors import SettingsInvalid
from training.files.claimed_folder import claim
from training.files.file_digests import file_digest
from training.recipe import Recipe
from training.shipping.trainable import start_file

_NAME = "begun_with.json"


def claim_files(folder: Path, recipe: Recipe, *, begun: bool) -> None:
    """Keeps the digests of the files that a recipe names, or proves that they are those the folder was begun with.

    begun: whether the folder holds a checkpoint or figures; until then other files may take the place of the first.
    A folder of before this was kept is taken for one of these files. Raises SettingsInvalid where one of them is
    another now.
    """
    if not begun:
        (folder / _NAME).unlink(missing_ok=True)
    files = {"start": start_file(recipe.start), "emphasis": recipe.emphasis}
    settings = {f"content of {key}": file_digest(Path(name)) if name else "" for key, name in files.items()}
    claim(folder, _NAME, settings, unsaid=settings)


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """What is looked up within, and is not there or of another kind, is told as a fault of the kept file `path`."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SettingsInvalid(
            f"{path} is damaged: {error!r:.120}",
            remedy="remove that file: the run beside it stays and is only scored again",
        ) from None
