"""System calls: a filter by which a process on Linux gives up those that reach beyond it.

New processes, other programs, sockets, signals and limits of other processes, memory that no limit counts, changes of
files that Landlock does not know (modes, owners, times), and what only an administrator needs. Calls that are newer
than this file do not exist for the process. Numbers: the kernel's tables for x86-64 and for arm64 (the generic one).
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Sequence

from duihua.tools.sandbox.kernel import is_linux, prctl

__all__ = ["restrict_calls"]

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_ALLOW, _ERROR, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_X32 = 0x40000000  # calls of the other ABI of x86-64 begin here
_NEWEST = 450

# What is refused whole: its number on x86-64 and on arm64, None where there is no such call.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # other processes and programs
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281), "setsid": (112, 157),
    "setpgid": (109, 154), "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "setpriority": (141, 140), "ioprio_set": (251, 30),
    "sched_setscheduler": (144, 119), "sched_setparam": (142, 118), "sched_setattr": (314, 274),
    "migrate_pages": (256, 238), "move_pages": (279, 239),
    # the network
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202),
    "accept4": (288, 242), "sendmsg": (46, 211), "sendmmsg": (307, 269),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    # memory that no limit counts, and that outlives the process
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "shmat": (30, 196),
    "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219),
    # changes of files that Landlock lets pass
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "chown": (92, None), "fchown": (93, 55),
    "lchown": (94, None), "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None), "futimesat": (261, None),
    "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    # the system
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "setns": (308, 268),
    "unshare": (272, 97), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142), "sethostname": (170, 161),
    "setdomainname": (171, 162), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "acct": (163, 89), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "ioperm": (173, None), "iopl": (172, None), "syslog": (103, 116),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "personality": (135, 92), "vhangup": (153, 58),
    "perf_event_open": (298, 241), "bpf": (321, 280), "userfaultfd": (323, 282), "fanotify_init": (300, 262),
}  # fmt: skip
_TRUNCATE = (76, 45)  # by a path: Landlock knows it from version 3 on
_CLONE, _CLONE3 = (56, 220), (435, 435)
_CLONE_THREAD = 0x10000
_ON_ITSELF = ((62, 129), (200, 130), (234, 131), (302, 261), (203, 122))  # kill, tkill, tgkill, prlimit64, affinity
_SOCKETPAIR, _UNIX = (53, 199), 1  # two ends that know each other only
_SENDTO = (44, 206)  # with no address: the other end of a pair
_REFUSED_VALUES = (  # call, its argument, values of that which are refused
    ((157, 167), 0, (1,)),  # prctl: who is told of a parent's death
    ((72, 25), 1, (8, 10, 15)),  # fcntl: whom a file's events signal
    ((16, 29), 1, (0x5412, 0x8901, 0x8902)),  # ioctl: typing for others, and the same of sockets
)

# Instructions of the classic Berkeley packet filter: code, jump if true, jump if false, value.
_LOAD, _EQUAL, _ABOVE, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_Instruction = tuple[int, int, int, int]


def restrict_calls(*, without_truncate: bool = False) -> bool:
    """Give up system calls, for this process and all its threads to come; tells whether that was possible.

    Args:
        without_truncate: refuse to cut files by their path too.
    """
    machine = os.uname().machine if is_linux() else ""
    if machine not in _AUDIT_ARCH:
        return False
    program = _program(machine, os.getpid(), without_truncate=without_truncate)
    packed = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *instruction) for instruction in program))
    where = struct.pack("@HP", len(program), ctypes.addressof(packed))
    try:
        prctl(_PR_SET_SECCOMP, _MODE_FILTER, where)
    except OSError:
        return False
    return True


def _program(machine: str, own_id: int, *, without_truncate: bool) -> Sequence[_Instruction]:
    column = list(_AUDIT_ARCH).index(machine)
    refuse = [(_RETURN, 0, 0, _ERROR | errno.EPERM)]
    missing = [(_RETURN, 0, 0, _ERROR | errno.ENOSYS)]
    allow = [(_RETURN, 0, 0, _ALLOW)]
    program: list[_Instruction] = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_ABOVE, 0, 1, _X32 - 1),
        *refuse,
        (_ABOVE, 0, 1, _NEWEST),
        *missing,
    ]

    def on(call: tuple[int | None, int | None], then: Sequence[_Instruction]) -> None:
        number = call[column]
        if number is not None:
            program.extend([(_EQUAL, 0, len(then), number), *then])

    for call in [*_REFUSED.values(), *([_TRUNCATE] if without_truncate else [])]:
        on(call, refuse)
    on(_CLONE3, missing)  # its flags cannot be looked at; the C library then uses clone
    on(_CLONE, [(_LOAD, 0, 0, 16), (_ANY_BIT, 1, 0, _CLONE_THREAD), *refuse, *allow])
    on(_SOCKETPAIR, [(_LOAD, 0, 0, 16), (_EQUAL, 1, 0, _UNIX), *refuse, *allow])
    both_halves = [step for half in (48, 52) for step in ((_LOAD, 0, 0, half), (_EQUAL, 1, 0, 0), *refuse)]
    on(_SENDTO, [*both_halves, *allow])
    for call in _ON_ITSELF:
        on(call, [(_LOAD, 0, 0, 16), (_EQUAL, 1, 0, 0), (_EQUAL, 0, 1, own_id), *allow, *refuse])
    for call, argument, values in _REFUSED_VALUES:
        tests = [step for value in values for step in ((_EQUAL, 0, 1, value), *refuse)]
        on(call, [(_LOAD, 0, 0, 16 + 8 * argument), *tests, *allow])
    return [*program, *allow]
