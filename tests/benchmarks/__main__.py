"""Run all benchmarks, or those named on the command line, one JSON object a line."""

import importlib
import json
import pkgutil
import platform
import sys

import tests.benchmarks as package


def main(names: list[str]) -> None:
    """Print every measurement of every chosen module."""
    machine = {"machine": platform.machine(), "system": platform.system(), "python": platform.python_version()}
    known = [module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")]
    for name in names or known:
        if name not in known:
            sys.exit(f"no benchmark is called {name}; there are: {', '.join(known)}")
        for measurement in importlib.import_module(f"tests.benchmarks.{name}").run():
            print(json.dumps({"benchmark": name, **measurement, **machine}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
