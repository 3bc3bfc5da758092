"""The Chromium that the pages are tested in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright

SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LOOPBACK = re.compile(r"^(https?://(127\.0\.0\.1|localhost)(:\d+)?/|data:|blob:)")


def launch(playwright: Playwright) -> Browser:
    """The system's Chromium, else Playwright's own, else one that is installed now. Never a skip."""
    chromium = playwright.chromium
    if found := next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), None):
        return chromium.launch(executable_path=found, args=list(ARGUMENTS))
    if not Path(chromium.executable_path).exists():
        _install()
        found = shutil.which("chromium")
    return chromium.launch(executable_path=found, args=list(ARGUMENTS))


def _install() -> None:
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    on_debian = shutil.which("apt-get") and Path("/etc/debian_version").exists()
    if on_debian and (not prefix or shutil.which("sudo")):
        subprocess.run([*prefix, "apt-get", "update"], check=False)
        if subprocess.run([*prefix, "apt-get", "install", "-y", "chromium"], check=False).returncode == 0:
            return
    done = subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    if done.returncode:
        pytest.fail("There is no Chromium, and none could be installed: these tests need one.", pytrace=False)
