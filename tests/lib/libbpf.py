"""BPF programs from Python, by libbpf: attaching those of an object file, asking about all."""

import contextlib
import ctypes
import os
from ctypes import c_char, c_uint32, c_uint64, c_void_p

_lib = ctypes.CDLL("libbpf.so.1", use_errno=True)
for _name in ("bpf_object__open_file", "bpf_object__next_program", "bpf_program__attach"):
    getattr(_lib, _name).restype = c_void_p
_lib.bpf_program__name.restype = ctypes.c_char_p

STATS_RUN_TIME = 0  # enum bpf_stats_type


class Failed(Exception):
    """What libbpf could not do; it says more on stderr."""


def _pointer(value, what):
    if not value:
        raise Failed(f"cannot {what}: errno {ctypes.get_errno()}")
    return c_void_p(value)


class Programs:
    """The programs of an object file that have these names, loaded and attached until closed."""

    def __init__(self, path, names):
        self.links = []
        self.object = _pointer(_lib.bpf_object__open_file(str(path).encode(), None), f"open {path}")
        chosen, program = [], None
        while program := _lib.bpf_object__next_program(self.object, program):
            program = c_void_p(program)
            wanted = _lib.bpf_program__name(program).decode() in names
            _lib.bpf_program__set_autoload(program, ctypes.c_bool(wanted))
            if wanted:
                chosen.append(program)
        try:
            if len(chosen) != len(names) or _lib.bpf_object__load(self.object) != 0:
                raise Failed(f"cannot load {', '.join(names)} of {path}")
            for program in chosen:
                self.links.append(_pointer(_lib.bpf_program__attach(program), "attach"))
        except Failed:
            self.close()
            raise

    def close(self):
        for link in self.links:
            _lib.bpf_link__destroy(link)
        _lib.bpf_object__close(self.object)
        self.links, self.object = [], None


class Array:
    """An array of 64-bit words that such programs have."""

    def __init__(self, programs, name, size):
        self.fd = _lib.bpf_object__find_map_fd_by_name(programs.object, name.encode())
        self.size = size
        if self.fd < 0:
            raise Failed(f"no map {name}")

    def read(self):
        values = []
        for key in range(self.size):
            value = c_uint64()
            if _lib.bpf_map_lookup_elem(self.fd, ctypes.byref(c_uint32(key)), ctypes.byref(value)):
                raise Failed(f"cannot read: errno {ctypes.get_errno()}")
            values.append(value.value)
        return values


class ProgramInfo(ctypes.Structure):
    """struct bpf_prog_info. Older kernels leave its end zero."""

    _fields_ = [
        ("type", c_uint32), ("id", c_uint32), ("tag", c_char * 8),
        ("jited_prog_len", c_uint32), ("xlated_prog_len", c_uint32),
        ("jited_prog_insns", c_uint64), ("xlated_prog_insns", c_uint64), ("load_time", c_uint64),
        ("created_by_uid", c_uint32), ("nr_map_ids", c_uint32), ("map_ids", c_uint64),
        ("name", c_char * 16), ("ifindex", c_uint32), ("gpl_compatible", c_uint32),
        ("netns_dev", c_uint64), ("netns_ino", c_uint64),
        ("nr_jited_ksyms", c_uint32), ("nr_jited_func_lens", c_uint32),
        ("jited_ksyms", c_uint64), ("jited_func_lens", c_uint64),
        ("btf_id", c_uint32), ("func_info_rec_size", c_uint32), ("func_info", c_uint64),
        ("nr_func_info", c_uint32), ("nr_line_info", c_uint32),
        ("line_info", c_uint64), ("jited_line_info", c_uint64),
        ("nr_jited_line_info", c_uint32), ("line_info_rec_size", c_uint32),
        ("jited_line_info_rec_size", c_uint32), ("nr_prog_tags", c_uint32), ("prog_tags", c_uint64),
        ("run_time_ns", c_uint64), ("run_cnt", c_uint64), ("recursion_misses", c_uint64),
        ("verified_insns", c_uint32), ("attach_btf_obj_id", c_uint32),
        ("attach_btf_id", c_uint32), ("reserved", c_uint32),
    ]


def _ask(fd, info):
    size = c_uint32(ctypes.sizeof(info))
    if _lib.bpf_obj_get_info_by_fd(fd, ctypes.byref(info), ctypes.byref(size)) != 0:
        raise Failed(f"cannot ask about a program: errno {ctypes.get_errno()}")


@contextlib.contextmanager
def run_times():
    """Has the kernel time every run of every program meanwhile."""
    fd = _lib.bpf_enable_stats(STATS_RUN_TIME)
    if fd < 0:
        raise Failed(f"cannot have programs timed: errno {ctypes.get_errno()}")
    try:
        yield
    finally:
        os.close(fd)


def loaded_programs():
    """A ProgramInfo of every program there is on this host."""
    infos, found = [], c_uint32(0)
    while _lib.bpf_prog_get_next_id(found, ctypes.byref(found)) == 0:
        fd = _lib.bpf_prog_get_fd_by_id(found)
        if fd < 0:
            continue  # gone meanwhile
        info = ProgramInfo()
        try:
            _ask(fd, info)
        finally:
            os.close(fd)
        infos.append(info)
    return infos
