# SPDX-License-Identifier: BSD-2-Clause
"""Authority covers what the capability distribution gives: compared with closures that are computed in another way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tessera.analysis.authority import derive
from tessera.analysis.closure import Closure
from tessera.analysis.graph import Authority, Node, NodeKind, Right, component
from tessera.analysis.standin import distribution_of
from tessera.system import environment as env
from tessera.system.capdl import Cap, CNode, Distribution, Frame, KernelObject, Rights
from tessera.system.distribute import distribute
from tessera.system.holdings import Reach, holdings
from tessera.system.model import Permissions, System
from tessera.system.report import report
from tessera.system.sdf import parse
from tests.system.systems import GREETER, allocated, described, domain, images

PERMS = ("r", "rw", "rx", "rwx")
UART, VIRTIO, RTC = 0x1000_0000, 0x1000_1000, 0x10_1000


def authority(system: System, distribution: Distribution | None = None, **options: object) -> Authority:
    return derive(system, distribution or distribution_of(system), **options)  # type: ignore[arg-type]


def owner_of(name: str, system: System) -> Node:
    """Whose an object is; regions' frames are told by their exact names."""
    for region in system.memory_regions:
        if name == region.name or (name.startswith(region.name + ".") and name[len(region.name) + 1 :].isdecimal()):
            return Node(NodeKind.REGION, region.name)
    return component(name.rpartition(".")[0] if not name[-1].isdecimal() else name.split(".")[0])


def objects_graph(system: System, distribution: Distribution) -> networkx.DiGraph:
    """Information between kernel objects, from the capabilities alone: an object that can be written takes it, one that
    can be read gives it; threads have it. Written for names without dots, and without a look at ``analysis``.
    """
    graph = networkx.DiGraph()
    by_name = distribution.by_name

    def both(a: str, b: str) -> None:
        graph.add_edges_from([(a, b), (b, a)])

    for thread in [each for each in distribution.objects if each.word == "tcb"]:
        me = thread.name
        root = by_name[thread.cspace.object].slots.values()  # type: ignore[attr-defined]
        inner = [
            cap for each in root if each.object == f"{me[:-4]}.cnode" for cap in by_name[each.object].slots.values()
        ]
        caps = [*root, *inner, thread.fault_endpoint, thread.bound_notification]  # type: ignore[attr-defined]
        for cap in filter(None, caps):
            word = by_name[cap.object].word
            if word == "notification":
                if Rights.WRITE in cap.rights and cap is not thread.bound_notification:  # type: ignore[attr-defined]
                    graph.add_edge(me, cap.object)
                if Rights.READ in cap.rights:
                    graph.add_edge(cap.object, me)
            elif word == "endpoint":
                # Messages go one way and answers the other. That senders wait behind each other is time.
                ways = (("message", Rights.WRITE, Rights.READ), ("answer", Rights.READ, Rights.WRITE))
                for way, into, out in ways:
                    if into in cap.rights:
                        graph.add_edge(me, f"{cap.object} {way}")
                    if out in cap.rights:
                        graph.add_edge(f"{cap.object} {way}", me)
            elif word == "vspace":
                both(me, cap.object.replace(".vspace", ".tcb"))
            elif word in ("tcb", "sched_context") and cap.object != me:
                both(me, cap.object)
            elif word == "irq_handler":
                both(me, cap.object)
        both(me, thread.sched_context.object)  # type: ignore[attr-defined]
        for mapping in distribution.mappings:
            if mapping.vspace == thread.vspace.object:  # type: ignore[attr-defined]
                graph.add_edge(mapping.frame, me)
                if Permissions.WRITE in mapping.perms:
                    graph.add_edge(me, mapping.frame)
    return graph


def flows_by_objects(system: System, distribution: Distribution, trusted: Iterable[str]) -> set[tuple[Node, Node]]:
    """Pairs of components and regions, by the graph of objects; nothing goes on through a trusted thread."""
    graph = objects_graph(system, distribution)
    subjects = [component(pd.name) for pd in system.domains()]
    subjects += [Node(NodeKind.REGION, region.name) for region in system.memory_regions]
    stops = {f"{name}.tcb" for name in trusted}
    found = set()
    for source in subjects:
        starts = [f"{source.name}.tcb"]
        if source.kind is NodeKind.REGION:
            starts = [n for n in graph if owner_of(n, system) == source]
        inside = graph.subgraph([n for n in graph if n not in stops or n in starts])
        for start in starts:
            for reached in networkx.descendants(inside, start) if start in inside else ():
                if isinstance(distribution.by_name.get(reached), Frame) or reached.endswith(".tcb"):
                    found.add((source, owner_of(reached, system)))
    return {(a, b) for a, b in found if a != b and b in subjects}


@st.composite
def systems(draw: st.DrawFn) -> str:
    """Descriptions: components in two levels, channels both ways, shared memory with all permissions; no devices."""
    count = draw(st.integers(1, 5))
    names = [f"c{i}" for i in range(count)]
    regions = [f"r{i}" for i in range(draw(st.integers(0, 3)))]
    text = "".join(f'<memory_region name="{name}" size="0x{draw(st.integers(1, 2))}000" />' for name in regions)
    parents = [draw(st.sampled_from([None, *range(i)])) if i else None for i in range(count)]

    def written(i: int) -> str:
        maps = "".join(
            f'<map mr="{r}" vaddr="{0x400_0000 + k * 0x10000:#x}" perms="{draw(st.sampled_from(PERMS))}" />'
            for k, r in enumerate(regions)
            if draw(st.booleans())
        )
        own = f'<irq irq="{i + 40}" id="50" />' if draw(st.integers(0, 3)) == 0 else ""
        shared = [
            f'<cap_{draw(st.sampled_from(["tcb", "sc", "vspace"]))} slot="{k + 1}" pd="{other}" />'
            for k, other in enumerate(names)
            if draw(st.integers(0, 9)) == 0
        ]
        own += f"<cspace>{''.join(shared)}</cspace>" if shared else ""
        children = "".join(written(j) for j in range(count) if parents[j] == i)
        more = {} if parents[i] is None else {"id": i}
        passive = draw(st.sampled_from(["true", "false"]))
        return domain(names[i], maps + own + children, priority=10 + i, passive=passive, **more)

    text += "".join(written(i) for i in range(count) if parents[i] is None)
    for number in range(draw(st.integers(0, 5)) if count > 1 else 0):
        a, b = draw(st.permutations(range(count)))[:2]
        lower, upper = min(a, b), max(a, b)
        pp = draw(st.sampled_from(["true", "false"]))
        say = [draw(st.sampled_from(["true", "false"])) for _ in range(2)]
        text += f'<channel><end pd="{names[lower]}" id="{number}" pp="{pp}" notify="{say[0]}" />'
        text += f'<end pd="{names[upper]}" id="{number}" notify="{say[1]}" /></channel>'
    return text


def without_interrupt_devices(authority: Authority) -> Authority:
    """Without devices, which the graph of objects does not have."""
    return replace(
        authority, flows=tuple(s for s in authority.flows if NodeKind.DEVICE not in (s.source.kind, s.target.kind))
    )


@settings(max_examples=120, deadline=None)
@given(systems())
def test_random_systems(text: str) -> None:
    """Sound: nothing flows between objects that is not told; and exact, but for code that is written."""
    system = described(text)
    distribution = distribute(system, images(system))
    for trusted in (frozenset[str](), frozenset({env.MONITOR_NAME})):
        closure = Closure(without_interrupt_devices(authority(system, distribution)))
        told = set()
        for pd in [component(p.name) for p in system.domains()] + [
            Node(NodeKind.REGION, r.name) for r in system.memory_regions
        ]:
            told |= {(pd, other) for other in closure.flows_from(pd, trusted)}
        told = {(a, b) for a, b in told if a != b and NodeKind.INTERRUPT not in (a.kind, b.kind)}
        told = {(a, b) for a, b in told if b != component(env.MONITOR_NAME)}
        expected = flows_by_objects(system, distribution, trusted)
        assert expected <= told
        if not any(Permissions.EXECUTE in m.perms for pd in system.domains() for m in pd.maps):
            assert told == expected


@settings(max_examples=40, deadline=None)
@given(systems())
def test_stand_ins_change_nothing(text: str) -> None:
    """The authority of a description is that of the distribution of its programs, down to the lines."""
    system = described(text)
    assert authority(system) == authority(system, distribute(system, images(system)))


@settings(max_examples=40, deadline=None)
@given(systems())
def test_grants_are_the_holdings_of_the_report(text: str) -> None:
    system = described(text)
    distribution = distribute(system, images(system))
    compare_with_holdings(system, distribution)


def compare_with_holdings(system: System, distribution: Distribution) -> None:
    facts = report(system, images(system), distribution, allocated(distribution, system))
    words = {Reach.CALL: Right.CALL, Reach.NOTIFY: Right.NOTIFY, Reach.FAULT: Right.FAULT, Reach.THREAD: Right.CONTROL}
    words |= {Reach.TIME: Right.TIME, Reach.INIT_DONE: Right.CALL, Reach.SPACE: Right.CONTROL}
    held = {
        (each.holder, words[each.reach], each.owner)
        for some in holdings(facts).values()
        for each in some
        if each.reach is not None and not (each.holder == env.MONITOR_NAME and each.reach is Reach.NOTIFY)
    }
    found = authority(system, distribution)
    given = {(g.holder, g.right, g.target.name) for g in found.grants if g.target.kind is NodeKind.COMPONENT}
    injected = {(g.holder, g.right, g.target.name) for g in found.grants if "executes" in g.how}
    notified = {(env.MONITOR_NAME, Right.NOTIFY, pd.name) for pd in system.domains() if pd.passive}
    assert held - given == set()
    assert given - held - injected == notified
    mapped = {(use["component"], region["name"]) for region in facts["memory_regions"] for use in region["mapped_by"]}
    assert mapped == {(g.holder, g.target.name) for g in found.grants if g.right is Right.READ}


def test_the_greeter() -> None:
    system = parse(GREETER)
    compare_with_holdings(system, distribution_of(system))
    found = authority(system)
    # Every line that is named says what it is said to say.
    lines = GREETER.read_text().splitlines()
    for grant in found.grants:
        line = lines[grant.location.line - 1]
        expected = {Right.READ: "<map", Right.WRITE: "<map", Right.CALL: "<end", Right.NOTIFY: "<end"}
        assert expected.get(grant.right, "<protection_domain") in line
        if grant.right in (Right.READ, Right.WRITE):
            assert f'mr="{grant.target.name}"' in line
        elif "<end" in line:
            assert f'pd="{grant.holder}"' in line


PLANTED = {
    "endpoint": (Cap("b.endpoint", Rights.WRITE), Right.CALL, "b"),
    "notification": (Cap("b.notification", Rights.WRITE, badge=4), Right.NOTIFY, "b"),
    "tcb": (Cap("b.tcb"), Right.CONTROL, "b"),
    "vspace": (Cap("b.vspace"), Right.CONTROL, "b"),
    "cnode": (Cap("b.cnode"), Right.CONTROL, "b"),
    "page_table": (Cap("b.table1.0x0"), Right.CONTROL, "b"),
    "sched_context": (Cap("b.sched_context"), Right.TIME, "b"),
    "region": (Cap("keys", Rights.READ), Right.READ, "keys"),
    "stack": (Cap("b.stack.0"), Right.CONTROL, "b"),
    "irq_handler": (Cap("b.irq.40"), Right.INTERRUPT, "40"),
}
PAIR = (
    '<memory_region name="keys" size="0x1000" />'
    + domain("a", '<map mr="keys" vaddr="0x4000000" />' * 0, priority=1)
    + domain("b", '<map mr="keys" vaddr="0x4000000" /><irq irq="40" id="3" />', priority=2)
    + domain("c", priority=1)
    + '<channel><end pd="c" id="0" pp="true" notify="false" /><end pd="b" id="0" notify="false" /></channel>'
)


def planted(distribution: Distribution, holder: str, slot: int, cap: Cap) -> Distribution:
    """The same distribution with one more capability."""

    def with_cap(each: KernelObject) -> KernelObject:
        return CNode(each.name, each.size_bits, {**each.slots, slot: cap}) if each.name == f"{holder}.cnode" else each  # type: ignore[attr-defined]

    return replace(distribution, objects=tuple(with_cap(each) for each in distribution.objects))


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_capability_is_found(name: str) -> None:
    cap, right, target = PLANTED[name]
    system = described(PAIR)
    before = distribution_of(system)
    assert all(grant.target.name != target for grant in authority(system, before).grants if grant.holder == "a")
    after = authority(system, planted(before, "a", 400, cap))
    found = [grant for grant in after.grants if grant.holder == "a" and grant.target.name == target]
    assert right in {grant.right for grant in found}
    assert found[0].location.line == 1
    closure = Closure(after)
    if name != "irq_handler":
        assert component("b") in closure.flows_from(component("a"), frozenset({env.MONITOR_NAME})) or name == "region"
    assert (Right.CONTROL in {g.right for g in found}) == ("b" in closure.controlled("a"))


def test_an_unknown_kind_of_object_is_authority_over_everything() -> None:
    class Strange(KernelObject):
        word = "strange"

    system = described(PAIR)
    before = distribution_of(system)
    more = replace(before, objects=(*before.objects, Strange("b.strange")))
    closure = Closure(authority(system, planted(more, "a", 400, Cap("b.strange"))))
    assert set(closure.controlled("a")) == {"a", "b", "c", env.MONITOR_NAME}
    assert closure.reach("a", Node(NodeKind.REGION, "keys"), frozenset({Right.READ})) is not None


def test_capabilities_are_given_only_to_who_has_a_cnode_for_them() -> None:
    """An answer can carry capabilities; without a capability to a CNode there is nowhere to put them."""
    system = described(PAIR)
    before = distribution_of(system)
    assert "b" not in Closure(authority(system, before)).controlled("c")
    after = authority(system, planted(before, "c", 400, Cap("c.cnode")))
    assert "b" in Closure(after).controlled("c") and "c" not in Closure(after).controlled("b")


def test_a_cnode_on_the_way_of_an_address_is_no_capability_to_it() -> None:
    system = described(PAIR)
    before = distribution_of(system)
    root = CNode("c.root", 3, {0: Cap("c.cnode"), 5: Cap("b.tcb")})
    bits = env.USER_SPACE.word_bits - env.CNODE_BITS - 3
    objects = tuple(
        replace(each, cspace=Cap("c.root", guard_bits=bits)) if each.name == "c.tcb" else each  # type: ignore[call-arg]
        for each in before.objects
    )
    found = authority(system, replace(before, objects=(*objects, root)))
    held = {(grant.right, grant.target.name) for grant in found.grants if grant.holder == "c"}
    assert {(Right.CALL, "b"), (Right.CONTROL, "b"), (Right.FAULT, env.MONITOR_NAME)} == held
    assert not any("capabilities" in step.text for step in found.takes.values())


def device(name: str, address: int) -> str:
    return f'<memory_region name="{name}" size="0x1000" phys_addr="{address:#x}" />'


def with_devices(perms: str = "rw") -> System:
    return described(
        device("nic", VIRTIO) + device("serial", UART) + device("clock", RTC)
        + '<memory_region name="keys" size="0x1000" /><memory_region name="buffers" size="0x1000" />'
        + domain("net", f'<map mr="nic" vaddr="0x4000000" perms="{perms}" /><map mr="buffers" vaddr="0x5000000" />')
        + domain("log", '<map mr="serial" vaddr="0x4000000" />')
        + domain("other", '<irq irq="10" id="1" />')
        + domain("store", '<map mr="keys" vaddr="0x4000000" />')
    )  # fmt: skip


def test_a_driver_of_a_device_with_dma_reaches_all_memory() -> None:
    found = authority(with_devices())
    assert found.dma_regions == {"nic": "virtio0"}
    closure = Closure(found)
    keys, reach = Node(NodeKind.REGION, "keys"), frozenset({Right.READ, Right.WRITE})
    path = closure.reach("net", keys, reach)
    assert path is not None and "DMA" in path[0].text
    assert set(closure.controlled("net")) == {"net", "log", "other", "store", env.MONITOR_NAME}
    assert closure.reach("log", keys, reach) is None
    # What is read through memory comes out again: with DMA nothing is kept from anybody who hears the driver.
    assert component("net") in closure.flows_from(component("store"), frozenset({env.MONITOR_NAME}))


def test_what_dma_is_assumed_to_reach_bounds_it() -> None:
    closure = Closure(authority(with_devices(), dma={"nic": ("buffers",)}))
    assert set(closure.controlled("net")) == {"net"}
    reach = frozenset({Right.READ, Right.WRITE})
    assert closure.reach("net", Node(NodeKind.REGION, "keys"), reach) is None
    assert closure.reach("net", Node(NodeKind.REGION, "buffers"), reach) is not None
    trusted = frozenset({env.MONITOR_NAME, "net"})
    assert Node(NodeKind.DEVICE, "virtio0") in closure.flows_from(Node(NodeKind.REGION, "buffers"), trusted)


def test_registers_that_are_only_read_are_no_dma() -> None:
    assert Closure(authority(with_devices("r"))).controlled("net") == {"net": ()}


def test_an_interrupt_comes_from_its_device() -> None:
    """Who drives a device wakes who has its interrupt."""
    trusted = frozenset({env.MONITOR_NAME})
    reached = Closure(authority(with_devices("r"))).flows_from(component("log"), trusted)
    assert component("other") in reached and component("store") not in reached
    assert [step.location.line for step in reached[component("other")]] == [1, 1, 1, 1]


def test_who_writes_what_another_executes_controls_it() -> None:
    system = described(
        '<memory_region name="code" size="0x1000" />'
        + domain("a", '<map mr="code" vaddr="0x4000000" perms="rw" />')
        + domain("b", '<map mr="code" vaddr="0x4000000" perms="rx" />')
    )
    closure = Closure(authority(system))
    assert "b" in closure.controlled("a") and "a" not in closure.controlled("b")


def test_examples_of_the_repository(repository: Path) -> None:
    for path in sorted(repository.glob("examples/*/*.system")):
        system = parse(path, search_path=[path.parent])
        found = authority(system)
        assert {grant.holder for grant in found.grants} <= set(found.components)
        expected = flows_by_objects(system, distribution_of(system), [env.MONITOR_NAME])
        closure = Closure(found)
        told = {(a, b) for a in found.nodes for b in closure.flows_from(a, frozenset({env.MONITOR_NAME}))}
        assert expected <= told
