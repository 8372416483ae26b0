"""Ask the advisory service about what lock files install, and say plainly what was and was not answered.

    python tools/supply_chain/audit.py requirements.lock …

Exit codes: 0 every dependency was asked about and nothing is known, 1 something is known to be vulnerable, 3 not
everything could be asked about: no answer is not a good answer.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CLEAN, VULNERABLE, NOT_AUDITED = 0, 1, 3
TIMEOUT_SECONDS = 15


def audit(lock: Path) -> int:
    """Audit one lock file and print the outcome."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            *(sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes", "--disable-pip"),
            *("--progress-spinner", "off", "--timeout", str(TIMEOUT_SECONDS)),
            *("--format", "json", "--output", str(report)),
        ]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if not report.exists():
            lines = [line for line in ended.stderr.splitlines() if line.strip()]
            print(f"{lock}: NOT audited, the advisory service gave no answer: {lines[-1] if lines else 'no message'}")
            return NOT_AUDITED
        dependencies: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["dependencies"]
    skipped = [each for each in dependencies if "skip_reason" in each]
    vulnerable = [each for each in dependencies if each.get("vulns")]
    for each in vulnerable:
        for known in each["vulns"]:
            fixed = ", ".join(known["fix_versions"]) or "no version"
            print(f"{lock}: {each['name']} {each['version']}: {known['id']}, fixed in {fixed}")
    for each in skipped:
        print(f"{lock}: {each['name']}: NOT audited: {each['skip_reason']}")
    print(f"{lock}: {len(dependencies) - len(skipped)} audited, {len(skipped)} not, {len(vulnerable)} vulnerable")
    if vulnerable:
        return VULNERABLE
    return NOT_AUDITED if skipped or not dependencies else CLEAN


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("locks", nargs="+", type=Path)
    outcomes = {audit(lock) for lock in parser.parse_args().locks}
    return VULNERABLE if VULNERABLE in outcomes else max(outcomes)


if __name__ == "__main__":
    sys.exit(main())
