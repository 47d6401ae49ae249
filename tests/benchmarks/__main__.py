"""Run all benchmarks, or those named on the command line, one JSON object a line."""

import argparse
import importlib
import inspect
import json
import pkgutil
import platform
import sys

import tests.benchmarks as package


def main(names: list[str], options: dict[str, float]) -> None:
    """Print every measurement of every chosen module. `options` go to those whose `run` knows them."""
    machine = {"machine": platform.machine(), "system": platform.system(), "python": platform.python_version()}
    known = [module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")]
    for name in names or known:
        if name not in known:
            sys.exit(f"no benchmark is called {name}; there are: {', '.join(known)}")
        run = importlib.import_module(f"tests.benchmarks.{name}").run
        known_here = inspect.signature(run).parameters
        for measurement in run(**{key: value for key, value in options.items() if key in known_here}):
            print(json.dumps({"benchmark": name, **measurement, **machine}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", help="Benchmarks to run; without a name all of them.")
    parser.add_argument("--minutes", type=float, help="How long the gateway is under load (0.5).")
    words = parser.parse_args()
    main(words.name, {} if words.minutes is None else {"minutes": words.minutes})
