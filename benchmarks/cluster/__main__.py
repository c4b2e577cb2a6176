"""Kill, cut off and move the primary of a cluster of PostgreSQL, under load.

    python -m benchmarks.cluster [--faults 50] [--only "cut off" paused] [--seed 1] [--keep]

It starts etcd and three nodes of PostgreSQL under Patroni, with synchronous replication, each in a
network namespace of its own, inflicts the faults in turn while four processes work, and holds what
each caller was told against what is stored in the end. It ends with an error if an acknowledged
effect is lost, if a call was said not to have happened and did, if a job had two holders, or if a
caller was not answered 5 seconds after the cluster took writes again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.cluster.faults import FAULTS
from benchmarks.cluster.nodes import own
from benchmarks.cluster.programs import (
    found,
    missing_packages,
    patroni_is_sound_with_etcd3,
)
from benchmarks.cluster.report import report, write_page
from benchmarks.cluster.trial import run_trial

_NAMESPACES = ("--net", "--pid", "--fork", "--kill-child", "--mount-proc")
_AS_A_USER = ("--user", "--map-current-user", "--keep-caps")


def main() -> int:
    """Run the trial in namespaces of its own, and remove what it leaves."""
    arguments = _arguments()
    if arguments.inside is not None:
        return _as_first_process(lambda: _trial(arguments))
    missing = missing_packages()
    if missing:
        print(f"the trial needs these Debian packages: apt-get install {' '.join(missing)}")
        return 2
    home = Path(tempfile.mkdtemp(prefix="cj-cluster-"))
    home.chmod(0o755)
    own(home)
    options = _NAMESPACES if os.geteuid() == 0 else (*_AS_A_USER, *_NAMESPACES)
    again = [sys.executable, "-m", "benchmarks.cluster", *sys.argv[1:], "--inside", str(home)]
    process = subprocess.Popen([found("unshare"), *options, *again])
    try:
        return process.wait()
    except KeyboardInterrupt:
        return process.wait()
    finally:
        if arguments.keep:
            print(f"logs and calls are in {home}", file=sys.stderr)
        else:
            shutil.rmtree(home)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write docs/high-availability.md")
    parser.add_argument("--keep", action="store_true", help="keep logs and the record of all calls")
    parser.add_argument("--etcd3", action="store_true", help="also with a Patroni before 3.0.3")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _as_first_process(work: Callable[[], int]) -> int:
    """Work in a child: the first process of a namespace inherits orphans, and must wait for them.

    Patroni leaves it the servers that it starts; one that died and that nobody has waited for would
    look alive to it.
    """
    child = os.fork()
    if not child:
        status = 1
        try:
            status = work()
        except KeyboardInterrupt:
            status = 130
        except BaseException:  # noqa: BLE001 - the process ends here, whatever it is
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def _trial(arguments: argparse.Namespace) -> int:
    trial = run_trial(
        arguments.inside,
        "etcd3" if arguments.etcd3 or patroni_is_sound_with_etcd3() else "etcd",
        arguments.faults,
        arguments.only,
        arguments.seed,
    )
    text = report(trial)
    print(text)
    if arguments.write:
        write_page(text)
    return 1 if trial.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
