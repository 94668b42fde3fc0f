# SPDX-License-Identifier: BSD-2-Clause
"""What every protection domain finds when it starts: the slots of its CSpace, its badges, its address space.

These are the facts of the Core Platform (Microkit 2): component binaries made for it rely on them. The monitor is ours,
so its slots are free to choose; they are in the second table.

====================  ==========================================================================================
slot                  a protection domain
====================  ==========================================================================================
1                     input: its endpoint if it can be called or has children, else its notification (read)
2                     fault endpoint: its parent's endpoint, or the monitor's (write, grant reply; badged)
3                     its VSpace
4                     its reply object
5                     the monitor's endpoint (write; badged); passive domains only: "my init has returned"
6                     its TCB; benchmark configuration only
10 + channel          the other end's notification (write; badge = bit of the other end's channel)
74 + channel          the other end's endpoint (write, grant reply; badge = bit 63 and the other end's channel)
138 + channel         interrupt handler
202 + child           the child's TCB
====================  ==========================================================================================

====================  ==========================================================================================
slot                  the monitor
====================  ==========================================================================================
1                     input: its endpoint, where faults and the messages of passive domains arrive (read);
                      the badge is the domain's index in the system plus one
3                     its VSpace
4                     its reply object
16 + 3 index          TCB of every domain, as if all were its children
17 + 3 index          scheduling context of a passive domain, to be unbound from its TCB when its init has returned
18 + 3 index          notification of the same domain, to which the scheduling context is then bound
====================  ==========================================================================================

A domain with capabilities of other domains (``cspace``) has a table of 64 slots above: slot 0 leads to the table of the
domain, the others have these capabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

from tessera.abi import capabilities, layout, objects

# Slots of a protection domain's CNode.
CNODE_BITS = capabilities.COMPONENT_CNODE_BITS
SLOT_INPUT = capabilities.COMPONENT_INPUT
SLOT_FAULT_ENDPOINT = capabilities.COMPONENT_FAULT_ENDPOINT
SLOT_VSPACE = capabilities.COMPONENT_VSPACE
SLOT_REPLY = capabilities.COMPONENT_REPLY
SLOT_MONITOR_ENDPOINT = capabilities.COMPONENT_MONITOR_ENDPOINT
SLOT_TCB = capabilities.COMPONENT_TCB
SLOT_OUTPUT_NOTIFICATION = capabilities.BASE_OUTPUT_NOTIFICATION
SLOT_OUTPUT_ENDPOINT = capabilities.BASE_OUTPUT_ENDPOINT
SLOT_IRQ = capabilities.BASE_IRQ_HANDLER
SLOT_CHILD_TCB = capabilities.BASE_CHILD_TCB

# A domain with capabilities of other domains has a CNode above: its first slot leads to the domain's own, the others
# have these capabilities. The library finds them there (microkit_cspace_root_slot_to_cptr).
ROOT_BITS = capabilities.COMPONENT_ROOT_BITS
ROOT_SLOTS = 1 << ROOT_BITS

# Slots of the monitor's CNode, beside SLOT_INPUT, SLOT_VSPACE and SLOT_REPLY: three for each domain (runtime/spec.py).
MONITOR_SLOT_COMPONENTS = 16
MONITOR_SLOTS_EACH = 3
MONITOR_TCB, MONITOR_SCHED_CONTEXT, MONITOR_NOTIFICATION = range(3)


def monitor_slot(index: int, what: int) -> int:
    """Where the monitor has something of the domain with this index: ``what`` is one of the three above."""
    return MONITOR_SLOT_COMPONENTS + MONITOR_SLOTS_EACH * index + what


def monitor_cnode_bits(domains: int) -> int:
    """How large the monitor's CNode is: 2**bits slots."""
    return max(CNODE_BITS, (monitor_slot(domains, 0) - 1).bit_length())


# Badges. A notification's badge is one bit per channel, so the two top bits are left for the other two.
BADGE_CALL = 1 << capabilities.BADGE_PROTECTED_CALL_BIT
BADGE_FAULT = 1 << capabilities.BADGE_FAULT_BIT

# Limits.
CHANNELS = capabilities.MAX_CHANNELS
# A channel on which a component is called and does nothing else is only a number in a badge.
CALLED_CHANNELS = 1 << 16
# Threads of children are in the slots from SLOT_CHILD_TCB on; this board has no use for those behind upstream's 62.
CHILDREN = (1 << CNODE_BITS) - SLOT_CHILD_TCB
# What programs linked by upstream's SDK take of a badge.
SDK_SENDERS = 62
# Address spaces get their identifiers from one pool of 512; the first is nobody's, and the initialiser and the monitor
# have one each.
DOMAINS = 512 - 3
NAME_BYTES = capabilities.COMPONENT_NAME_BYTES  # of the variable `microkit_name`, with the final zero
PRIORITY_MAX = 254
MONITOR_PRIORITY = 255
MONITOR_NAME = "monitor"
MONITOR_STACK = 0x4000
MONITOR_DOMAIN = 0  # where the initialiser is too; a schedule may leave it out
STACK_DEFAULT = layout.DEFAULT_STACK_SIZE
STACK_MIN = layout.MIN_STACK_SIZE
STACK_MAX = layout.MAX_STACK_SIZE
BUDGET_DEFAULT = 1000  # microseconds

# A scheduling context as large as Microkit's: the core and room for eight refills.
SCHED_CONTEXT_BITS = 8
SCHED_CONTEXT_BADGE = 0x100  # plus the domain's index; what a timeout fault reports


@dataclass(frozen=True)
class AddressSpace:
    """How user address spaces look. ``user_top`` is the first address that is not the user's. ``level_bits`` says how
    many low bits of an address one entry of each level of page tables covers, root first.
    """

    elf_machine: str
    word_bits: int
    user_top: int
    page_bits: tuple[int, ...]
    level_bits: tuple[int, ...]
    code_alignment: int = 2  # an instruction begins at a multiple of it

    @property
    def page(self) -> int:
        """The smallest page size, in bytes."""
        return 1 << self.page_bits[0]

    @property
    def ipc_buffer(self) -> int:
        """Address of the IPC buffer: the last user page."""
        return self.user_top - self.page

    @property
    def stack_top(self) -> int:
        """First address above the stack. One page is left out between it and the IPC buffer."""
        return self.ipc_buffer - self.page

    def stack_bottom(self, stack_size: int) -> int:
        """Lowest address of a stack of ``stack_size`` bytes; mappings of memory regions end at or below it."""
        return self.stack_top - stack_size

    def page_down(self, address: int) -> int:
        """The beginning of the page of an address."""
        return address // self.page * self.page

    def page_up(self, address: int) -> int:
        """The end of the last page of something that ends at ``address``."""
        return -(-address // self.page) * self.page

    @property
    def page_sizes(self) -> tuple[int, ...]:
        return tuple(1 << bits for bits in self.page_bits)


USER_SPACE = AddressSpace(
    elf_machine="EM_RISCV",
    word_bits=objects.WORD_BITS,
    user_top=layout.USER_TOP,
    page_bits=(objects.PAGE_BITS, objects.MEGA_PAGE_BITS),
    level_bits=(objects.GIGA_PAGE_BITS, objects.MEGA_PAGE_BITS, objects.PAGE_BITS),
)
