"""Write what was measured: CSV, JSON, and a Markdown table shaped like the paper's."""

from pathlib import Path

from lipdub.disk import telling
from lipdub.errors import OutputError
from lipdub.evaluation.measure import FEATURES_EVERY, PERSON_EVERY, PICTURES_EVERY
from lipdub.evaluation.summary import REAL, summarise
from lipdub.evaluation.tables import ResultTable, to_csv, to_json, to_markdown
from lipdub.outputs import unwritable
from lipdub.protocol.evaluate import CLIPS, Result, Task
from lipdub.wording import counted

SUFFIXES = {".csv": to_csv, ".json": to_json, ".md": to_markdown}
HOW = (
    f"PSNR and SSIM (luma) and LPIPS are of each {PICTURES_EVERY}th frame of the crop, FID of each "
    f"{FEATURES_EVERY}th, identity of each {PERSON_EVERY}th, all against the real video. FID depends on the "
    "number of pictures: compare rows, and tables of the same list. Aperture, leak and flicker are of every "
    "frame."
)
CROSS = "In cross the real video shows another speech: what is repainted should differ from it."


def check_folder(folder: Path) -> None:
    """Make the folder of the results, or make sure that it is one.

    Raises:
        OutputError: it is a file, holds other things, or cannot be made.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; give a folder for the results.")
    try:
        if folder.is_dir() and any(folder.iterdir()) and not (folder / CLIPS).is_dir():
            raise OutputError(f"{folder} has other things in it; give a new folder for the results.")
        (folder / CLIPS).mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise unwritable(folder.parent) from exc


def table_of(task: Task, result: Result) -> ResultTable:
    """The table of a result, with a note on each row where the truth is not known of all clips."""
    count = len(result.clips)
    note = ""
    if result.truths < count:
        note = (
            f"The true speaker is known of {result.truths} of {counted(count, 'clip')}; of the others "
            "it cannot be told how their lips go with the sound."
        )
    names = {name for clip in result.clips for name in clip} | {REAL}
    alike = task.shot.mode == "reconstruction"
    return summarise(result.clips, task.shot.mode, dict.fromkeys(names, note), alike=alike)


def write_results(task: Task, result: Result) -> dict[str, Path]:
    """Write the table as CSV, JSON and Markdown into the folder of the results, named by the mode.

    Returns:
        The files, by suffixes.

    Raises:
        RenderError: the disk does not take them.
    """
    table, written = table_of(task, result), {}
    for suffix, form in SUFFIXES.items():
        text = form(table)
        if suffix == ".md":
            text += "\n" + "  \n".join(_below(task, result)) + "\n"
        path = task.output / (task.shot.mode + suffix)
        part = path.with_suffix(f"{suffix}.part")
        with telling(path):
            part.write_text(text, "utf-8")
            part.replace(path)
        written[suffix] = path
    return written


def _below(task: Task, result: Result) -> list[str]:
    cross = [CROSS] if task.shot.mode == "cross" else []
    failed = [f"Left out: {each}" for each in result.failed]
    return [HOW, *cross, *(note[0].upper() + note[1:] for note in result.notes), *failed]
