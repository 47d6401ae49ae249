"""Run the test functions of the modules named in `sys.argv` on this interpreter, without pytest."""

import sys


def run(names):
    for name in names:
        module = __import__("tests.firmware.lorawan." + name, None, None, ["*"])
        passed = 0
        for test in sorted(dir(module)):
            if test.startswith("test_"):
                try:
                    getattr(module, test)()
                except Exception:
                    print("in", name, test)
                    raise
                passed += 1
        print(name, passed)


if __name__ == "__main__":
    run(sys.argv[1:])
