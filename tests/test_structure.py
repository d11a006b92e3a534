"""Imports point one way, cheap things stay cheap, and errors form one tree."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from lipdub import errors

SOURCE = Path(errors.__file__).parent

# Each row may import from itself, from rows below it, and from `errors`.
LAYERS = [
    {"cli"},
    {"method"},
    {"batch", "doctor", "compare", "choices", "demo", "training", "protocol"},
    {"pipeline"},
    {"dataset"},
    {"pipeline"},
    {"picture"},
    {"stretches"},
    {"deciding"},
    {"debugvideo", "looking"},
    {"identity"},
    {"checks", "engine", "listening", "speaker"},
    {"contactsheet", "network"},
    {"render", "segments", "overlay", "stems"},
    {"planning", "planfile"},
    {"references"},
    {"likeness"},
    {"casting"},
    {"cues", "turns"},
    {"cueformats", "people", "choosing"},
    {"gating"},
    {"plan"},
    {"after"},
    {"evaluation"},
    {"faces"},
    {"workfolder"},
    {"journal"},
    {"media", "speech", "diffusion", "weights", "outputs"},
    {"models"},
    {"options", "progress", "disk", "flow", "table", "console"},
    {"cache", "sampling", "wording"},
    {"errors"},
]
HEIGHT = {name: level for level, names in enumerate(reversed(LAYERS)) for name in names}
FORBIDDEN = {
    "media": {"torch"},
    "faces": {"torch"},
    "speech": {"torch"},
    "weights": {"torch"},
    "models": {"cv2", "mediapipe", "av"},
    "diffusion": {"cv2", "mediapipe", "av"},
    "cli": {"torch", "click"},
    "choices": {"torch", "click"},
    "console": {"torch", "click"},
    "method": {"torch", "click"},
}


def imports_of(path: Path) -> set[str]:
    """Dotted names of all modules a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} if node.module != "lipdub" else {f"lipdub.{a.name}" for a in node.names}
    return found


def part_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


MODULES = [path for path in sorted(SOURCE.rglob("*.py")) if path != SOURCE / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_down(path: Path):
    here = part_of(path)
    for name in imports_of(path):
        if name.startswith("lipdub."):
            other = name.split(".")[1]
            assert other == here or HEIGHT[other] < HEIGHT[here], f"{here} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_forbidden_libraries(path: Path):
    roots = {name.split(".")[0] for name in imports_of(path)}
    assert not roots & FORBIDDEN.get(part_of(path), set())


def loaded_after(code: str) -> set[str]:
    program = f"{code}\nimport sys; print(*sorted(n for n in sys.modules if '.' not in n))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_lipdub_or_its_command_line_loads_nothing_heavy():
    heavy = {"torch", "mediapipe", "librosa", "cv2", "av", "numpy", "huggingface_hub", "ffmpeg"}
    assert not loaded_after("import lipdub") & heavy
    assert not loaded_after("import lipdub.cli") & heavy


def test_figures_of_an_evaluation_load_no_torch():
    assert "torch" not in loaded_after("import lipdub.evaluation.sync")


def test_public_names_are_there_and_none_is_a_submodule():
    import lipdub

    for name in lipdub.__all__:
        assert getattr(lipdub, name) is not None
    submodules = {part_of(path) for path in MODULES}
    assert not submodules & set(lipdub.__all__)


def test_every_error_is_in_the_tree_its_docstring_draws():
    drawn = errors.__doc__ or ""
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        assert issubclass(kind, errors.LipdubError)
        line = next(
            line for line in drawn.splitlines() if line.split(name)[0].strip(" │├└─") == "" and name in line
        )
        assert f" {kind.exit_code}" in line
