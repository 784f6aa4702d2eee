"""How many CPUs the process may use: by its affinity and by its control groups, of both versions."""

import os
import sys
import threading
from pathlib import Path

import pytest

from authserver import cpu

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="affinity and control groups are Linux's")


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of /sys/fs/cgroup, empty; and this process may run on 16 CPUs."""
    monkeypatch.setattr(cpu, "_CGROUPS", tmp_path)
    monkeypatch.setattr(cpu, "_OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_pinned_process_counts_only_its_own(monkeypatch: pytest.MonkeyPatch, groups: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3})
    assert cpu.available() == 2


@pytest.mark.parametrize(
    ("own", "above", "cpus"),
    [
        ("max 100000", "max 100000", 16),
        ("250000 100000", "max 100000", 2),
        ("50000 100000", "max 100000", 1),
        ("max 100000", "400000 100000", 4),
        ("800000 100000", "150000 50000", 3),
        ("nonsense", "", 16),
    ],
)
def test_the_smallest_quota_of_all_groups_around_the_process_counts(
    groups: Path, own: str, above: str, cpus: int
) -> None:
    put(groups / "own", "0::/system.slice/authserver.service\n")
    put(groups / "system.slice/authserver.service/cpu.max", own)
    put(groups / "system.slice/cpu.max", above)
    assert cpu.available() == cpus


def test_a_container_that_sees_its_host_s_path_has_its_quota_at_the_root(groups: Path) -> None:
    put(groups / "own", "0::/docker/0123abc\n")
    put(groups / "cpu.max", "300000 100000")
    assert cpu.available() == 3


def test_a_group_with_colons_in_its_name_bounds_the_cpus(groups: Path) -> None:
    """containerd names groups like this for Kubernetes."""
    put(groups / "own", "0::/pods/kubelet.slice:cri-containerd:0123abc\n")
    put(groups / "pods/kubelet.slice:cri-containerd:0123abc/cpu.max", "200000 100000")
    assert cpu.available() == 2


@pytest.mark.parametrize(("quota", "cpus"), [("-1", 16), ("600000", 6), ("0", 16)])
def test_the_quota_of_a_version_1_control_group_bounds_the_cpus(groups: Path, quota: str, cpus: int) -> None:
    put(groups / "own", "5:memory:/pod\n4:cpu,cpuacct:/pod\n0::/\n")
    put(groups / "cpu,cpuacct/pod/cpu.cfs_quota_us", quota)
    put(groups / "cpu,cpuacct/pod/cpu.cfs_period_us", "100000")
    assert cpu.available() == cpus


def test_without_affinity_and_control_groups_the_machine_s_count(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    for count, cpus in ((None, 1), (1, 1), (8, 8)):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        assert cpu.available() == cpus


def test_only_the_thread_that_yields_has_a_lower_priority() -> None:
    seen = []

    def work() -> None:
        cpu.yield_to_others()
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    own = os.getpriority(os.PRIO_PROCESS, 0)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [min(19, own + 5)]
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_where_a_thread_has_no_priority_of_its_own_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "setpriority", lambda *arguments: pytest.fail("called"))
    cpu.yield_to_others()


def test_a_sandbox_that_forbids_it_does_not_stop_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*arguments: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbidden)
    cpu.yield_to_others()
