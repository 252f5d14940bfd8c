"""A build backend that builds nothing: a source package's metadata is the PKG-INFO inside it."""

from __future__ import annotations

import shutil
import sys
from email.parser import HeaderParser
from pathlib import Path


def get_requires_for_build_wheel(config_settings: object = None) -> list[str]:  # noqa: ARG001
    """Nothing is needed, since nothing is built."""
    return []


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: object = None) -> str:  # noqa: ARG001
    """Copy PKG-INFO as the metadata of the package in the working directory."""
    head = HeaderParser().parsestr(Path("PKG-INFO").read_text(encoding="utf-8"))
    folder = f"{head['Name'].replace('-', '_')}-{head['Version']}.dist-info"
    Path(metadata_directory, folder).mkdir(parents=True)
    shutil.copy("PKG-INFO", Path(metadata_directory, folder, "METADATA"))
    return folder


def build_wheel(wheel_directory: str, config_settings: object = None, metadata_directory: str | None = None) -> str:
    """Refuse: downloading needs no wheel."""
    raise NotImplementedError("packages are built on the hosts")


# pip asks for this name where a package has no pyproject.toml.
__legacy__ = sys.modules[__name__]
