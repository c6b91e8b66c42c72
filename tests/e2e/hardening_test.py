#!/usr/bin/env python3
"""hardening_test.py EXPORTER: what the compiler and the linker put into the program against exploits.

Read from the program itself, so that a flag that is lost on the way to one of its libraries shows.
CivetWeb, which reads what strangers send, is looked at by its own functions.
"""

import pathlib
import platform
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from verdict import Verdict

BINARY = sys.argv[1]


def readelf(*flags):
    return subprocess.run(["readelf", "-W", *flags, BINARY], check=True, capture_output=True,
                          text=True).stdout


def disassembly(function):
    return subprocess.run(["objdump", "-d", "--no-show-raw-insn", f"--disassemble={function}", BINARY],
                          check=True, capture_output=True, text=True).stdout


def main():
    verdict = Verdict()
    header, dynamic, segments = readelf("-h"), readelf("-d"), readelf("-l")
    symbols = readelf("--syms")
    verdict.check(re.search(r"Type:\s+DYN", header) and "PIE" in dynamic, "position independent")
    verdict.check("GNU_RELRO" in segments, "relocations are read-only once done")
    verdict.check(re.search(r"\(FLAGS.*BIND_NOW|\(FLAGS_1\).*\bNOW\b", dynamic),
                  "... and all are done at the start")
    verdict.check(re.search(r"GNU_STACK.* RW ", segments), "the stack is not executable")
    verdict.check("__stack_chk_fail" in symbols, "stack protector")
    verdict.check(re.search(r"__(memcpy|snprintf|vsnprintf|read|strcpy|fread)_chk", symbols),
                  "FORTIFY_SOURCE")
    # CivetWeb's, with a buffer of 8 KiB on its stack.
    civetweb = disassembly("mg_send_http_error_impl")
    verdict.check(re.search("<__stack_chk_fail(@plt)?>", civetweb), "... in CivetWeb, too")
    if platform.machine() == "x86_64":
        # The property note would have to be in libc's start files as well, and Debian 12's have none.
        both = [disassembly(name) for name in ("mg_start2", "main")]
        verdict.check(all("endbr64" in text for text in both),
                      "indirect branches may go to marked places only (CET)")
    verdict.end()


main()
