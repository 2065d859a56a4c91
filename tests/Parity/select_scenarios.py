#!/usr/bin/env python3
"""Copies the scenarios (with their goldens) that need none of the named capabilities into a folder.

    select_scenarios.py OUT --without jwt oauth [--from DIR ...]

Then: parity.py check URL --scenarios OUT. A scenario needs a capability when any of its steps asks for one of its paths, makes one of
its tokens, or sends a Bearer credential, or when its "needs" names it. Python 3.11 or newer, standard library only.
"""
import argparse
import json
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
NEEDS = {
    "jwt": r'"/api/token[/"]|"craft"|/probe/(scheme|open)/[a-z-]*jwt|/probe/(my-jwt|scope/jwt-first)|Bearer ',
    "oauth": r'"/o/|/\.well-known/|/probe/(scheme|open)/[a-z-]*oauth|/probe/scope/|/probe/plain-(rw-)?protected',
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--without", nargs="+", choices=sorted(NEEDS), default=[])
    parser.add_argument("--from", dest="folders", type=Path, nargs="+", default=[HERE / "scenarios", HERE / "more"])
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    kept = left = 0
    for folder in args.folders:
        for path in sorted(folder.glob("*.json")):
            if path.name.endswith(".golden.json"):
                continue
            spec = json.loads(path.read_text("utf-8"))
            chosen = []
            for scenario in spec["scenarios"]:
                text = json.dumps(scenario["steps"])
                named = scenario.get("needs", [])
                if any(name in named or re.search(NEEDS[name], text) for name in args.without):
                    left += 1
                else:
                    chosen.append(scenario)
            kept += len(chosen)
            if chosen:
                (args.out / path.name).write_text(json.dumps({**spec, "scenarios": chosen}, ensure_ascii=False), "utf-8")
                golden = path.with_name(path.stem + ".golden.json")
                (args.out / golden.name).write_text(golden.read_text("utf-8"), "utf-8")
    print(f"{kept} scenarios selected, {left} left out")


if __name__ == "__main__":
    main()
