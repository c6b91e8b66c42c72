"""run.py GUEST TRICKS TRICK...: loads lifecycle-*.bpf.o as far as this kernel can, and runs guests.

As root in an emulated host, after compiling lifecycle.bpf.c three times beside it: lifecycle-0.bpf.o
without RUNNING, -1 with -DRUNNING=1, -2 with -DRUNNING=2. Prints what each guest added to the figures.
"""
import ctypes, os, pathlib, re, subprocess, sys, time
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "lib"))
import libbpf
L = libbpf._lib
L.bpf_object__find_map_fd_by_name.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
FIGURES = re.search(r"enum figure \{(.*?)\}", (HERE / "lifecycle.bpf.c").read_text(), re.S)[1].replace("\n", " ").split(",")
FIGURES = [f.strip() for f in FIGURES if f.strip() and f.strip() != "FIGURES"]
FENTRY = ["created_fexit", "destroyed_fentry"]
KPROBE = ["create_kprobe", "created_kretprobe", "destroyed_kprobe"]
EVENTS = ["on_exit", "on_entry", "on_msr", "on_timer", "on_wakeup", "on_userspace"]

def try_load(number, names):
    try:
        programs = libbpf.Programs(HERE / f"lifecycle-{number}.bpf.o", names)
        print(f"LOADED {number}: {' '.join(names)}", flush=True)
        return programs
    except libbpf.Failed as failure:
        print(f"REFUSED {number}: {' '.join(names)}: {failure}", flush=True)

def read(programs):
    fd = L.bpf_object__find_map_fd_by_name(programs.object, b"figures")
    out = {}
    for i, name in enumerate(FIGURES):
        key, value = ctypes.c_uint32(i), ctypes.c_uint64(0)
        L.bpf_map_lookup_elem(fd, ctypes.byref(key), ctypes.byref(value))
        if value.value:
            out[name] = value.value
    return out

def live(programs):
    fd = L.bpf_object__find_map_fd_by_name(programs.object, b"live")
    n, key, nxt = 0, None, ctypes.c_uint64(0)
    while L.bpf_map_get_next_key(fd, key, ctypes.byref(nxt)) == 0:
        n += 1
        key = ctypes.byref(ctypes.c_uint64(nxt.value))
    return n

guest, tricks = sys.argv[1:3]
print("kernel", os.uname().release, flush=True)
best = None
for number, names in ((1, FENTRY + EVENTS), (2, FENTRY + EVENTS), (0, FENTRY), (0, KPROBE)):
    programs = try_load(number, names)
    if programs and not best:
        best = programs
        continue
    if programs:
        programs.close()
if not best:
    sys.exit(1)
def run(*words, timeout=100):
    began, before = time.monotonic(), read(best)
    process = subprocess.Popen([str(w) for w in words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        peak = max(peak, live(best))
        time.sleep(0.2)
        if time.monotonic() - began > timeout:
            process.kill()
    time.sleep(0.5)
    after = read(best)
    print(" ".join(str(w) for w in words[0:])[-70:], "rc", process.returncode, "live at most", peak, "then", live(best),
          {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)},
          process.stderr.read().strip()[-150:], flush=True)
run(guest, "--program", "deadline-halt", "--rate", "1000", "--vcpus", "4", "--count", "300", "--yield-every", "10")
run(guest, "--program", "cpuid", "--count", "300", "--repeat", "20", "--vcpus", "2")
for trick in sys.argv[3:]:
    run(tricks, *trick.split())
print(subprocess.run("dmesg | grep -iE 'warn|BUG|taint|bpf' | tail -5; cat /proc/sys/kernel/tainted", shell=True, capture_output=True, text=True).stdout, flush=True)
