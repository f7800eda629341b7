"""`python -m tests.support.cluster`: the test cluster by hand, and the builds before a test run."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from tests.support.cluster import (
    builds,
    containers,
    images,
    keeping,
    node,
    places,
    programs,
    targets,
)
from tests.support.cluster.places import ClusterError


def main() -> None:
    """Carry out one command."""
    arguments = _parse()
    try:
        arguments.act(arguments)
    except ClusterError as error:
        sys.exit(f"cluster: {error}")


def _build(arguments: argparse.Namespace) -> None:
    for group in arguments.groups:
        builds.build(group)


def _up(arguments: argparse.Namespace) -> None:
    kind = "node" if arguments.node else "control"
    folder = places.kept(kind)
    if not keeping.is_kept(folder):
        for group in (kind, "helm") if arguments.node else (kind,):
            builds.build(group)
        keeping.start(kind, folder, stays=True)
    kubeconfig = folder / "kubeconfig"  # the same place every time
    shutil.copy(keeping.read(folder)["kubeconfig"], kubeconfig)
    sys.stdout.write(f"{kubeconfig}\n")


def _down(arguments: argparse.Namespace) -> None:
    for kind in keeping.KINDS:
        if keeping.stop(places.kept(kind)):
            places.say(f"{kind}: ended")


def _load(arguments: argparse.Namespace) -> None:
    facts = keeping.read(places.kept("node"))
    containers.load(Path(facts["containerd"]), arguments.archive)


def _prepare(arguments: argparse.Namespace) -> None:
    if not os.environ.get("KUBECONFIG"):
        node.check()
    for group in targets.needed_programs():
        builds.build(group)
    images.prepare()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.support.cluster")
    commands = parser.add_subparsers(required=True, metavar="command")
    build = commands.add_parser("build", help="build programs that are not there yet")
    build.add_argument("groups", nargs="+", choices=sorted(programs.GROUPS))
    build.set_defaults(act=_build)
    up = commands.add_parser("up", help="start a cluster that stays; prints its kubeconfig")
    up.add_argument("--node", action="store_true", help="with pods that run (Linux, root)")
    up.set_defaults(act=_up)
    load = commands.add_parser("load", help="load an archive of images into the node")
    load.add_argument("archive", type=Path)
    load.set_defaults(act=_load)
    down = commands.add_parser("down", help="end what `up` started")
    down.set_defaults(act=_down)
    prepare = commands.add_parser("prepare", help="build all that end-to-end tests need")
    prepare.set_defaults(act=_prepare)
    return parser.parse_args()


if __name__ == "__main__":
    main()
