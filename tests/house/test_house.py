"""The project's own files agree with one another."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CONDA_NAMES = {"dask": "dask-core", "torch": "pytorch-cpu"}


def split(requirement: str) -> tuple[str, str]:
    name, rest = re.match(r"^([A-Za-z0-9._-]+)(.*)$", requirement.strip()).groups()
    return name.lower(), rest.strip()


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def conda() -> dict[str, str]:
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    flat = [entry for entry in entries if isinstance(entry, str)]
    flat += [name for entry in entries if isinstance(entry, dict) for name in entry["pip"]]
    return dict(split(entry) for entry in flat)


def test_environment_yml_names_what_pyproject_needs():
    wanted = dict(split(entry) for entry in [*project()["dependencies"], *project()["optional-dependencies"]["demo"]])
    renamed = {CONDA_NAMES.get(name, name): spec for name, spec in wanted.items()}
    found = {name: spec for name, spec in conda().items() if name not in {"python", "pip"}}
    assert found == renamed


def test_environment_yml_python_equals_pyproject():
    assert conda()["python"] == project()["requires-python"]


def locked() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    assert all("==" in line for line in pinned)
    return {line.split("==")[0].lower().replace("_", "-"): line.split("==")[1] for line in pinned}


def test_constraints_pin_every_declared_dependency():
    extras = project()["optional-dependencies"]
    declared = [*project()["dependencies"], *extras["demo"], *extras["dev"]]
    assert {split(entry)[0] for entry in declared} <= set(locked())


def test_torch_is_the_cpu_build():
    assert locked()["torch"] == "2.13.0"


def test_installed_versions_are_the_locked_ones():
    from importlib import metadata

    pins = locked()
    wrong = {}
    for name, version in pins.items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        if found.split("+")[0] != version:
            wrong[name] = (found, version)
    assert wrong == {}


@pytest.mark.parametrize("package", ["catalogs", "pipelines", "ringmoe_core", "flows"])
def test_packages_import_without_their_heavy_parts(package):
    code = (
        f"import sys, {package}; "
        "heavy = {'torch', 'xarray', 'prefect', 'rasterio', 'dask', 'matplotlib'} & set(sys.modules); "
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 0, result.stderr


def isort(names: list[str]) -> list[str]:
    """Constants, then classes, then functions: the order that ruff gives `__all__`."""
    return sorted(names, key=lambda name: (0 if name.isupper() else 1 if name[0].isupper() else 2, name))


@pytest.mark.parametrize("package", ["catalogs", "pipelines", "ringmoe_core", "flows"])
def test_public_names_are_few_sorted_and_real(package):
    import importlib
    import pkgutil

    root = importlib.import_module(package)
    names = [package, *(f"{package}.{m.name}" for m in pkgutil.iter_modules(root.__path__) if m.ispkg)]
    for name in names:
        module = importlib.import_module(name)
        public = list(getattr(module, "__all__", []))
        assert public in (sorted(public), isort(public)), name
        assert len(public) <= 15, name
        for entry in public:
            assert getattr(module, entry) is not None


def test_no_file_is_named_for_nothing():
    banned = {"utils.py", "helpers.py", "common.py", "misc.py", "base.py", "manager.py"}
    found = [p for d in ("catalogs", "pipelines", "ringmoe_core", "flows") for p in (ROOT / d).rglob("*.py")]
    assert not [path for path in found if path.name in banned]


def test_no_file_is_longer_than_the_hard_limit():
    found = [p for d in ("catalogs", "pipelines", "ringmoe_core", "flows") for p in (ROOT / d).rglob("*.py")]
    assert not {str(path): n for path in found if (n := len(path.read_text().splitlines())) > 500}
