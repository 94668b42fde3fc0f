# SPDX-License-Identifier: BSD-2-Clause
"""Who may do what, read off the capability distribution; the description is asked only for names and lines.

Capabilities are followed from each thread's CSpace, as the kernel resolves addresses, and memory from its address
space. What a kind of capability allows is taken to the full: a capability to a thread is control over its component; a
message on an endpoint lets both sides learn something, for a sender may wait until it is received (manual: Endpoints).
An object of a kind that is not known here counts as authority over everything.

Not told here, for no capability decides on it: time (caches, priorities, budgets) as a way for information, and the
system calls for debugging that a debug kernel has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tessera.abi.boards import QEMU_VIRT_RISCV64, Board
from tessera.abi.profiles import MICROKIT, Profile
from tessera.analysis import devices
from tessera.analysis.evidence import Evidence
from tessera.analysis.graph import Authority, Grant, Node, NodeKind, Right, Step, StepKind, component
from tessera.lang.diagnostics import Location
from tessera.system import environment as env
from tessera.system.capdl import (
    Cap,
    CNode,
    Distribution,
    Endpoint,
    Frame,
    FrameMapping,
    IrqHandler,
    KernelObject,
    Notification,
    PageTable,
    Reply,
    Rights,
    SchedContext,
    Tcb,
    VSpace,
)
from tessera.system.holdings import owner
from tessera.system.model import Permissions, System
from tessera.system.space import region_frame

WORD_BITS = env.USER_SPACE.word_bits
# CNodes in CNodes; deeper than this nothing can be addressed with a word.
DEEPEST = WORD_BITS


@dataclass(frozen=True)
class Held:
    """A capability that a component can use. ``place`` is its slot, or its place in the thread."""

    cap: Cap
    target: KernelObject
    place: str


def derive(
    system: System,
    distribution: Distribution,
    *,
    dma: Mapping[str, tuple[str, ...]] | None = None,
    board: Board = QEMU_VIRT_RISCV64,
    profile: Profile = MICROKIT,
) -> Authority:
    """The authority of every component of ``system``, whose capabilities are ``distribution``.

    ``dma``: for memory regions of devices, the memory regions that the device is assumed to reach at most.
    """
    return _Derivation(system, distribution, dma or {}, board, profile).run()


class _Derivation:
    def __init__(
        self,
        system: System,
        distribution: Distribution,
        dma: Mapping[str, tuple[str, ...]],
        board: Board,
        profile: Profile,
    ) -> None:
        self.system = system
        self.distribution = distribution
        self.dma = dma
        self.board = board
        self.profile = profile
        self.names = [env.MONITOR_NAME, *(pd.name for pd in system.domains())]
        self.evidence = Evidence(system)
        self.region_of = {region_frame(r, i): r.name for r in system.memory_regions for i in range(r.pages)}
        self.device_regions = {r.name: r for r in system.memory_regions if devices.is_device(r, board, profile)}
        self.masters = devices.dma_regions(system, board, profile)
        self.mappings: dict[str, list[FrameMapping]] = {}
        for mapping in distribution.mappings:
            self.mappings.setdefault(mapping.vspace, []).append(mapping)
        self.grants: dict[Grant, None] = {}
        self.flows: dict[Step, None] = {}
        self.takes: dict[tuple[str, str], Step] = {}
        self.everything: dict[str, Step] = {}
        # Who sends to, and who receives from, each object by which messages go; with the grant that says so.
        self.senders: dict[str, list[tuple[str, Cap, Grant]]] = {}
        self.receivers: dict[str, set[str]] = {}
        self.executable: dict[str, dict[str, Location]] = {}
        self.can_receive_caps: dict[str, Location] = {}

    def run(self) -> Authority:
        threads: list[Tcb] = self.distribution.of(Tcb)
        held = {thread.name: list(self.held_by(thread)) for thread in threads}
        for thread in threads:
            name = self.owner(thread.name)
            for each in held[thread.name]:
                self.note_receiver(name, each)
            self.note_memory(name, thread)
        for thread in threads:
            for each in held[thread.name]:
                self.add(self.owner(thread.name), each)
        self.add_messages()
        self.add_injected_code()
        for handler in self.distribution.of(IrqHandler):
            self.add_interrupt(handler)
        self.add_devices()
        locations = {component(env.MONITOR_NAME): self.system.location}
        locations |= {component(pd.name): pd.location for pd in self.system.domains()}
        locations |= {Node(NodeKind.REGION, r.name): r.location for r in self.system.memory_regions}
        for step in self.flows:
            locations.setdefault(step.source, step.location)
            locations.setdefault(step.target, step.location)
        grants, flows = tuple(self.grants), tuple(self.flows)
        return Authority(tuple(self.names), locations, grants, flows, self.takes, self.everything, dict(self.masters))

    # What a thread can name

    def held_by(self, thread: Tcb) -> Iterator[Held]:
        """Every capability that the thread can use: those in its CSpace, and those that it was configured with."""
        yield from self.in_cspace(thread.cspace, WORD_BITS, "", set())
        for place in ("fault_endpoint", "bound_notification", "ipc_buffer"):
            cap = getattr(thread, place)
            if cap is not None:
                yield Held(cap, self.distribution.by_name[cap.object], place)

    def in_cspace(self, cap: Cap, bits: int, path: str, above: set[str]) -> Iterator[Held]:
        """The capabilities below a CNode. Where bits of an address are left, it goes on through a CNode there; a
        capability to a CNode can only be used itself where an address ends (manual: CSpace Addressing).
        """
        node = self.distribution.by_name[cap.object]
        if not isinstance(node, CNode):
            yield Held(cap, node, path or "cspace")
            return
        left = bits - cap.guard_bits - node.size_bits
        if left < 0 or node.name in above or len(above) > DEEPEST:
            return
        for slot, each in node.slots.items():
            target = self.distribution.by_name[each.object]
            place = f"{path}{slot}"
            if isinstance(target, CNode) and left > 0:
                yield from self.in_cspace(each, left, f"{place}.", {*above, node.name})
            else:
                yield Held(each, target, place)

    def owner(self, name: str) -> str:
        return owner(name, self.names)

    # What a capability allows

    def note_receiver(self, holder: str, held: Held) -> None:
        is_message = isinstance(held.target, (Endpoint, Notification))
        if is_message and (Rights.READ in held.cap.rights or held.place == "bound_notification"):
            self.receivers.setdefault(held.target.name, set()).add(holder)
        if isinstance(held.target, Reply):
            self.receivers.setdefault(held.target.name, set()).add(holder)
        if isinstance(held.target, CNode):
            self.can_receive_caps[holder] = self.evidence.of(holder, held.cap, held.target, held.place).location

    def add(self, holder: str, held: Held) -> None:
        target, cap = held.target, held.cap
        whose = self.owner(target.name)
        told = self.evidence.of(holder, cap, target, held.place)
        match target:
            case Endpoint() | Notification():
                if Rights.WRITE in cap.rights and held.place != "bound_notification":
                    right = Right.NOTIFY if isinstance(target, Notification) else Right.CALL
                    if told.is_fault:
                        right = Right.FAULT
                    grant = Grant(holder, right, component(whose), told.how, told.location, told.detail)
                    self.senders.setdefault(target.name, []).append((holder, cap, grant))
                    if whose != holder:
                        self.grants[grant] = None
            case Reply():
                for other in self.receivers[target.name] - {holder}:
                    self.flow_both(holder, other, f"{told.how}, and '{other}' has it too", told.location)
            case Tcb() | VSpace() | PageTable() | CNode():
                if whose != holder:
                    self.control(holder, whose, told.how, told.location, told.detail)
            case SchedContext():
                if whose != holder:
                    node = component(whose)
                    self.grants[Grant(holder, Right.TIME, node, told.how, told.location, told.detail)] = None
                    self.flow_both(holder, whose, told.how, told.location)
            case IrqHandler():
                node = Node(NodeKind.INTERRUPT, str(target.irq))
                self.grants[Grant(holder, Right.INTERRUPT, node, told.how, told.location, told.detail)] = None
                # To set a line's notification is to choose who is woken by it.
                self.flow(component(holder), node, "acknowledges it", told.location)
                self.flow(node, component(holder), told.how, told.location)
            case Frame():
                if held.place != "ipc_buffer" or whose != holder:
                    perms = Permissions.READ if Rights.READ in cap.rights else Permissions.NONE
                    perms |= Permissions.WRITE | Permissions.EXECUTE if Rights.WRITE in cap.rights else perms
                    self.memory(holder, target.name, perms, told.how, told.location, told.detail)
            case _:
                self.everything[holder] = Step(
                    component(holder), component(whose), told.how, told.location, StepKind.CONTROL, holder
                )

    def flow(self, source: Node, target: Node, text: str, location: Location) -> None:
        if source != target:
            self.flows[Step(source, target, text, location)] = None

    def flow_both(self, one: str, other: str, text: str, location: Location) -> None:
        self.flow(component(one), component(other), f"'{one}' {text}", location)
        self.flow(component(other), component(one), f"'{one}' {text}", location)

    def control(self, holder: str, other: str, how: str, location: Location, detail: str = "") -> None:
        """The holder can make the other one do anything, and see all that it has."""
        self.grants[Grant(holder, Right.CONTROL, component(other), how, location, detail)] = None
        self.take(holder, other, how, location)

    def take(self, holder: str, other: str, how: str, location: Location) -> None:
        a, b = component(holder), component(other)
        self.takes.setdefault((holder, other), Step(a, b, f"'{holder}' {how}", location, StepKind.CONTROL, holder))
        self.flows[Step(a, b, f"'{holder}' {how}", location, StepKind.CONTROL, holder)] = None
        self.flows[Step(b, a, f"'{holder}' {how}", location, StepKind.CONTROL, holder)] = None

    def add_messages(self) -> None:
        """Messages and signals go from who may send to who may receive."""
        for name, some in self.senders.items():
            is_endpoint = isinstance(self.distribution.by_name[name], Endpoint)
            for sender, cap, grant in some:
                for receiver in sorted(self.receivers.get(name, set()) - {sender}):
                    a, b = component(sender), component(receiver)
                    self.flow(a, b, f"'{sender}' {grant.how}", grant.location)
                    if not is_endpoint:
                        continue
                    back = f"'{receiver}' answers '{sender}', which {grant.how}"
                    self.flow(b, a, back, grant.location)
                    if grant.right is Right.FAULT:
                        text = "decides how it goes on after a fault"
                        self.take(receiver, sender, f"{text}: '{sender}' {grant.how}", grant.location)
                    if Rights.GRANT in cap.rights and receiver in self.can_receive_caps:
                        self.take(receiver, sender, f"can be sent its capabilities: it {grant.how}", grant.location)
                    answers = Rights.GRANT in cap.rights or Rights.GRANT_REPLY in cap.rights
                    if answers and sender in self.can_receive_caps:
                        text = f"can be given its capabilities with an answer: it {grant.how}"
                        self.take(sender, receiver, text, grant.location)

    # Memory

    def note_memory(self, name: str, thread: Tcb) -> None:
        """What is mapped in the thread's address space."""
        for mapping in self.mappings.get(thread.vspace.object, ()):
            region = self.region_of.get(mapping.frame)
            if region is None and self.owner(mapping.frame) == name:
                continue  # its own program, stack and buffer
            told = self.evidence.of_mapping(name, region or mapping.frame, mapping)
            self.memory(name, mapping.frame, mapping.perms, told.how, told.location, told.detail)

    def memory(self, name: str, frame: str, perms: Permissions, how: str, location: Location, detail: str) -> None:
        region = self.region_of.get(frame)
        if region is None:
            whose = self.owner(frame)
            if whose == name:
                return
            if Permissions.WRITE in perms:
                self.control(name, whose, how, location, detail)
            self.flow(component(whose), component(name), f"'{name}' {how}", location)
            return
        node = Node(NodeKind.REGION, region)
        if Permissions.WRITE in perms:
            self.grants[Grant(name, Right.WRITE, node, how, location, detail)] = None
            self.flow(component(name), node, f"'{name}' {how}", location)
        if Permissions.READ in perms or Permissions.EXECUTE in perms:
            self.grants[Grant(name, Right.READ, node, how, location, detail)] = None
            self.flow(node, component(name), f"'{name}' {how}", location)
        if Permissions.EXECUTE in perms:
            self.executable.setdefault(region, {}).setdefault(name, location)

    def add_injected_code(self) -> None:
        """Who writes memory that another one executes decides what that one does."""
        writers = [grant for grant in self.grants if grant.right is Right.WRITE]
        for grant in writers:
            for other, location in self.executable.get(grant.target.name, {}).items():
                if other != grant.holder:
                    how = f"writes '{grant.target.name}', which '{other}' executes ({location})"
                    self.control(grant.holder, other, how, grant.location)

    # Devices

    def add_interrupt(self, handler: IrqHandler) -> None:
        node = Node(NodeKind.INTERRUPT, str(handler.irq))
        device = Node(NodeKind.DEVICE, devices.device_of_interrupt(handler.irq, self.board))
        location = self.evidence.of_interrupt(handler.irq)
        self.flow(device, node, f"the device '{device.name}' raises interrupt {handler.irq}", location)
        for receiver in sorted(self.receivers.get(handler.notification.object, set())):
            self.flow(node, component(receiver), f"interrupt {handler.irq} wakes '{receiver}'", location)

    def add_devices(self) -> None:
        for region in self.device_regions.values():
            node = Node(NodeKind.REGION, region.name)
            for name in devices.devices_of(region, self.board):
                device = Node(NodeKind.DEVICE, name)
                text = f"'{region.name}' are registers of the device '{name}'"
                self.flow(node, device, text, region.location)
                self.flow(device, node, text, region.location)
        for grant in [g for g in self.grants if g.right is Right.WRITE and g.target.name in self.masters]:
            self.add_dma(grant)

    def add_dma(self, grant: Grant) -> None:
        """Who drives a device that reaches memory by itself reaches it through the device."""
        region = grant.target.name
        device = self.masters[region]
        if region not in self.dma:
            text = f"'{grant.holder}' drives the device '{device}', which reaches all physical memory by itself (DMA)"
            here = component(grant.holder)
            self.everything.setdefault(
                grant.holder, Step(here, here, text, grant.location, StepKind.CONTROL, grant.holder)
            )
            return
        hub = Node(NodeKind.DEVICE, device)
        for reached in self.dma[region]:
            node = Node(NodeKind.REGION, reached)
            how = f"drives the device '{device}' with '{region}', which is assumed to reach '{reached}' (DMA)"
            for right in (Right.READ, Right.WRITE):
                self.grants[Grant(grant.holder, right, node, how, grant.location, "DMA")] = None
            self.flow(component(grant.holder), node, f"'{grant.holder}' {how}", grant.location)
            self.flow(node, component(grant.holder), f"'{grant.holder}' {how}", grant.location)
            self.flow(hub, node, f"the device '{device}' writes '{reached}' (DMA)", grant.location)
            self.flow(node, hub, f"the device '{device}' reads '{reached}' (DMA)", grant.location)
