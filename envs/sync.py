"""Write the versions of requirements.txt into the pins of the conda files and scripts here."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent


def locked_versions(lock: Path) -> dict[str, str]:
    """Return versions by package name, those for Python 3.11 as in the conda files."""
    pins = re.findall(r"^([\w.-]+)==([^ \\]+)(.*)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: version for name, version, marker in pins if "python_full_version >= '3.12'" not in marker}


def synced(conda_file: Path, versions: dict[str, str]) -> str:
    """The text of a conda file or script with the locked version behind every `name==`."""
    return re.sub(
        r"(([\w.-]+)==)\S+",
        lambda pin: pin[1] + versions[pin[2]],
        conda_file.read_text(encoding="utf-8"),
    )


if __name__ == "__main__":
    versions = locked_versions(FOLDER.parent / "requirements.txt")
    for conda_file in [*FOLDER.glob("*.yaml"), *FOLDER.glob("*.post-deploy.sh")]:
        conda_file.write_text(synced(conda_file, versions), encoding="utf-8")
