#!/usr/bin/env python3
"""Holds what the tree promises: includes match declared links, sources match the lists, names stay clean."""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Headers that cost seconds to compile: one source file each.
HEAVY = {"boost/beast": 1, "spdlog/": 1, "yaml-cpp/": 1, "prometheus/": 1}
# Drivers that may not appear in a public header.
PRIVATE = ["libpq-fe.h", "mysql.h", "mariadb/", "sqlite3.h", "boost/", "spdlog/", "fmt/", "yaml-cpp/", "prometheus/", "CLI/",
           "nlohmann/", "simdjson.h", "curl/", "sodium.h", "xxhash.h", "zlib.h"]
BANNED = re.compile(r"(^|[/_])(utils?|helpers?|common|misc|manager)([_./]|$)", re.IGNORECASE)


def tracked():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        return [name for name in listed.stdout.splitlines() if os.path.exists(os.path.join(ROOT, name))]
    return [os.path.relpath(os.path.join(folder, name), ROOT) for folder, _, names in os.walk(ROOT) for name in names
            if "/build" not in folder and "/.git" not in folder]


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def layers():
    """Module -> the modules that it may use, in the order of the file."""
    found = {}
    for line in read("cmake/layers.cmake").splitlines():
        match = re.match(r"tidemark_layer\((\w+)((?: \w+)*)\)", line)
        if match:
            found[match.group(1)] = match.group(2).split()
    return found


def module_of(path, modules):
    """The module that a file below src/ belongs to; src/sql/sqlite is sql_sqlite."""
    parts = path.split("/")[1:]
    nested = "_".join(parts[:2])
    return nested if nested in modules else parts[0]


def include_faults(files, modules):
    faults, heavy = [], {key: set() for key in HEAVY}
    for name in files:
        if not name.startswith("src/") or not name.endswith((".hpp", ".cpp")):
            continue
        module = module_of(name, modules)
        in_test = re.search("/(test|testing|fuzz|bench)/", name.removeprefix("src/"))
        for header in re.findall(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', read(name), re.MULTILINE):
            for key in HEAVY:
                if header.startswith(key) and not in_test:
                    heavy[key].add(name)
            if "/include/" in name and "/testing/" not in name and any(header.startswith(driver) for driver in PRIVATE):
                faults.append(f"{name}: the public header shows the driver {header}")
            match = re.match(r"tidemark/(\w+)/(\w+)", header)
            if match and not in_test:
                nested = "_".join(match.groups())
                used = nested if nested in modules else match.group(1)
                if used != module and used not in modules.get(module, []):
                    faults.append(f"{name}: {module} includes {header}, but cmake/layers.cmake doesn't grant it {used}")
    for key, names in heavy.items():
        if len(names) > HEAVY[key]:
            faults.append(f"{key} is included by {len(names)} source files: {', '.join(sorted(names))}")
    return faults


def list_faults(files):
    """Every source on disk is named by the CMakeLists.txt of its module."""
    faults = []
    for name in files:
        if not name.startswith("src/") or not name.endswith(".cpp"):
            continue
        folder = os.path.dirname(name)
        while not os.path.exists(os.path.join(ROOT, folder, "CMakeLists.txt")):
            folder = os.path.dirname(folder)
        if os.path.relpath(name, folder) not in read(os.path.join(folder, "CMakeLists.txt")):
            faults.append(f"{name} isn't built: {folder}/CMakeLists.txt doesn't name it")
    return faults


def name_faults(files):
    return [f"{name}: a banned name" for name in files if name.startswith(("src/", "tests/", "tools/")) and BANNED.search(name)]


def crash_step_faults(files):
    """Every crash point in the sources is listed once, and every listed one stands in the sources."""
    listed = re.findall(r'^\s+"([a-z_]+\.[a-z_]+)",', read("src/base/crash_point.cpp"), re.MULTILINE)
    used = set()
    for name in files:
        if name.startswith("src/") and name.endswith(".cpp") and "/test" not in name:
            used.update(re.findall(r'TIDEMARK_CRASH_POINT\("([^"]+)"\)', read(name)))
    faults = [f"crash step {step} is used but not listed in src/base/crash_point.cpp" for step in sorted(used - set(listed))]
    faults += [f"crash step {step} is listed but not used" for step in sorted(set(listed) - used)]
    return faults


def layout_faults(files):
    sources = [name for name in files if name.endswith((".hpp", ".cpp"))]
    for tool in ("clang-format-19", "clang-format"):
        try:
            done = subprocess.run([tool, "--dry-run", "-Werror", *sources], cwd=ROOT, capture_output=True, text=True)
        except FileNotFoundError:
            continue
        named = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "error:" in line})
        return [f"{name}: not as .clang-format lays it out" for name in named]
    return ["clang-format-19 isn't installed"]


def main():
    files, modules = tracked(), layers()
    checks = {
        "includes match the layers": include_faults(files, modules),
        "sources match the lists": list_faults(files),
        "names are clean": name_faults(files),
        "crash steps are listed": crash_step_faults(files),
        "layout is as formatted": layout_faults(files),
    }
    for text, faults in checks.items():
        for fault in faults[:30]:
            print(f"{text}: {fault}")
    failed = sum(bool(faults) for faults in checks.values())
    print(f"{len(checks) - failed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
